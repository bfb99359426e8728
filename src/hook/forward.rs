//! Macros for the traits that receive the events of a call: [`Hook`](super::Hook),
//! [`Guard`](crate::guard::Guard) and the slot of guards.

/// The events, with defaults that do nothing.
macro_rules! events {
    () => {
        /// Returns whether the elapsed time of attempts and events is used. If nothing in a call
        /// uses it, no clock is read, and `elapsed()` returns [`Untimed`](crate::Untimed).
        ///
        /// `true` by default, which is always right. Return `false` to save the readings.
        #[inline]
        fn reads_clock(&self) -> bool {
            true
        }

        /// An attempt begins.
        #[inline]
        fn before_attempt(&mut self, attempt: &Attempt) {
            let _ = attempt;
        }

        /// An attempt ended: its outcome was classified, or it timed out and has none.
        #[inline]
        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            let _ = event;
        }

        /// An attempt of a [loop](crate::Attempts) was dropped before it ended. It counts as an
        /// attempt and has no outcome; a retry may follow. Called when the loop makes its next attempt.
        #[inline]
        fn attempt_dropped(&mut self, attempt: &Attempt) {
            let _ = attempt;
        }

        /// Allows or refuses a retry before its sleep. A refused call ends with the outcome of the
        /// attempt, and with the veto as its [reason](crate::Reason). Hooks that allowed the retry
        /// receive that end in `finish`. By default, all retries are allowed; [`Veto`] has an example.
        #[inline]
        fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            let _ = event;
            ControlFlow::Continue(())
        }

        /// A retry will follow: its sleep begins now.
        #[inline]
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            let _ = event;
        }

        /// The call ended. A call that was never polled or called has no end.
        #[inline]
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            let _ = event;
        }

        /// The events that are handled, as a type: a constant would make `dyn` of the trait
        /// impossible. Calls have no code for events without a handler.
        #[doc(hidden)]
        #[inline]
        fn handled_events() -> impl $crate::hook::Events
        where
            Self: Sized,
        {
            $crate::hook::AllEvents
        }
    };
}

/// Names the events that an implementation handles.
macro_rules! handles {
    ($($event:ident)|*) => {
        #[allow(refining_impl_trait, reason = "the mask has to be a constant")]
        #[inline]
        fn handled_events() -> $crate::hook::OnlyEvents<{ 0 $(| $crate::hook::$event)* }> {
            $crate::hook::OnlyEvents
        }
    };
}

/// Passes the events on to `$target`, an expression over `$this`, which implements `$Trait`.
macro_rules! events_to {
    ($Trait:ident, |$this:ident| $target:expr) => {
        #[inline]
        fn before_attempt(&mut self, attempt: &Attempt) {
            let $this = self;
            $Trait::<O>::before_attempt(&mut $target, attempt);
        }
        #[inline]
        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            let $this = self;
            $Trait::<O>::after_attempt(&mut $target, event);
        }
        #[inline]
        fn attempt_dropped(&mut self, attempt: &Attempt) {
            let $this = self;
            $Trait::<O>::attempt_dropped(&mut $target, attempt);
        }
        #[inline]
        fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            let $this = self;
            $Trait::<O>::allow_retry(&mut $target, event)
        }
        #[inline]
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            let $this = self;
            $Trait::<O>::before_retry(&mut $target, event);
        }
        #[inline]
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            let $this = self;
            $Trait::<O>::finish(&mut $target, event);
        }
    };
}

/// Passes the events on to the fields of a tuple, in order. Each field is given as its index, its
/// type and the trait that it implements. All fields receive `finish`, also if one panics.
macro_rules! events_to_fields {
    ($first:tt $First:ident: $FirstTrait:ident $(, $index:tt $Type:ident: $Trait:ident)*) => {
        #[inline]
        fn reads_clock(&self) -> bool {
            $FirstTrait::<O>::reads_clock(&self.$first)
                $(|| $Trait::<O>::reads_clock(&self.$index))*
        }
        #[inline]
        fn before_attempt(&mut self, attempt: &Attempt) {
            $FirstTrait::<O>::before_attempt(&mut self.$first, attempt);
            $($Trait::<O>::before_attempt(&mut self.$index, attempt);)*
        }
        #[inline]
        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            $FirstTrait::<O>::after_attempt(&mut self.$first, event);
            $($Trait::<O>::after_attempt(&mut self.$index, event);)*
        }
        #[inline]
        fn attempt_dropped(&mut self, attempt: &Attempt) {
            $FirstTrait::<O>::attempt_dropped(&mut self.$first, attempt);
            $($Trait::<O>::attempt_dropped(&mut self.$index, attempt);)*
        }
        #[inline]
        fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            $FirstTrait::<O>::allow_retry(&mut self.$first, event)?;
            $($Trait::<O>::allow_retry(&mut self.$index, event)?;)*
            ControlFlow::Continue(())
        }
        #[inline]
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            $FirstTrait::<O>::before_retry(&mut self.$first, event);
            $($Trait::<O>::before_retry(&mut self.$index, event);)*
        }
        #[inline]
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            events_to_fields!(@finish self, event, $first $FirstTrait $(, $index $Trait)*);
        }
        #[inline]
        fn handled_events() -> impl $crate::hook::Events {
            events_to_fields!(@handled $First: $FirstTrait $(, $Type: $Trait)*)
        }
    };
    (@finish $self:ident, $event:ident, $index:tt $Trait:ident) => {
        $Trait::<O>::finish(&mut $self.$index, $event)
    };
    (@finish $self:ident, $event:ident, $index:tt $Trait:ident, $($rest:tt)+) => {
        $crate::hook::run_both(
            || $Trait::<O>::finish(&mut $self.$index, $event),
            || events_to_fields!(@finish $self, $event, $($rest)+),
        )
    };
    (@handled $Type:ident: $Trait:ident) => { <$Type as $Trait<O>>::handled_events() };
    (@handled $Type:ident: $Trait:ident, $($rest:tt)+) => {
        $crate::hook::EitherEvents::of(
            <$Type as $Trait<O>>::handled_events(),
            events_to_fields!(@handled $($rest)+),
        )
    };
}

/// `allow_attempt` of the fields of a tuple, in order.
macro_rules! allow_attempt_of_fields {
    ($($index:tt $Trait:ident),+) => {
        #[inline]
        fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
            $($Trait::<O>::allow_attempt(&mut self.$index, attempt)?;)+
            ControlFlow::Continue(())
        }
    };
}

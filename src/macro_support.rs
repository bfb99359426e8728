//! The parts of this crate that its macros expand to. They are no public interface.

pub use inventory;

/// What `#[retry]` asks of an argument that its function takes by value: each attempt is given one
/// of its own. Everything that is `Clone` is one; it is not implemented by hand.
///
/// | argument | each attempt gets |
/// |---|---|
/// | `&T` | the same reference |
/// | `&mut T`, `Pin<&mut T>` | it, borrowed again |
/// | by value | a clone; the last attempt that can be, the value itself |
/// | by value, and the body does not mention it | nothing: it is held until the function returns |
///
/// ```
/// use persevere::macro_support::Argument;
/// let mut held = Some(vec![1, 2]);
/// assert_eq!(Argument::for_attempt(&mut held, false), [1, 2]);
/// assert_eq!(Argument::for_attempt(&mut held, true), [1, 2]);
/// assert_eq!(held, None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given to every attempt",
    label = "each attempt needs one of its own, and this cannot be cloned",
    note = "take it by reference, as `&{Self}`; or in an `Arc`, whose clones are cheap; or derive or require `Clone` for it"
)]
pub trait Argument: Sized {
    /// Takes what is held for the last attempt, and clones it for one that may not be the last.
    ///
    /// # Panics
    /// If it was taken before.
    fn for_attempt(held: &mut Option<Self>, last: bool) -> Self;

    /// Clones it, for an attempt that has to leave the original alone.
    ///
    /// ```
    /// use persevere::macro_support::Argument;
    /// assert_eq!(Argument::for_another(&"a".to_owned()), "a");
    /// ```
    #[must_use]
    fn for_another(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Argument for T {
    #[inline]
    fn for_attempt(held: &mut Option<T>, last: bool) -> T {
        let argument = if last { held.take() } else { held.clone() };
        argument.expect("an argument is given away to the last attempt")
    }

    #[inline]
    fn for_another(&self) -> T {
        self.clone()
    }
}

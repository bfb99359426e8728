use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{fmt, format, fs, io};

use figment::providers::Format;
use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Updates;
use super::document::Document;
use super::symlinks::Route;
use super::updates::Feed;

/// A settings file that is read again whenever it changes.
///
/// `F` is the file's format, one of [figment's](figment::providers) or your own. As a [`Provider`] it
/// gives what the file holds at that moment, as [`Format::file_exact`] does; a missing file is an
/// error, and so is one of more than 10 MiB. [`updates`](Self::updates) follows the file.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`profile`](Self::profile) | [`Profile::Default`] | any; [`nested`](Self::nested): the file names them |
/// | [`settle`](Self::settle) | 50 ms | from zero |
/// | [`poll_every`](Self::poll_every) | 30 s | from 10 ms; [`Duration::MAX`]: never |
///
/// ```
/// use figment::{Figment, providers::Toml};
/// use futures::{StreamExt, executor::block_on};
/// use persevere::sources::WatchedFile;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("settings.toml");
/// std::fs::write(&path, "[default]\nattempts = 3\n[production]\nattempts = 5\n")?;
/// let file = WatchedFile::<Toml>::new(&path).nested();
///
/// let at_start = Figment::from(&file).select("production");
/// assert_eq!(at_start.extract_inner::<u32>("attempts")?, 5);
///
/// let mut updates = file.updates();
/// let now = block_on(updates.next()).expect("the stream goes on until it is dropped");
/// assert_eq!(now.extract_inner::<u32>("attempts")?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WatchedFile<F> {
    path: PathBuf,
    document: Document<F>,
    settle: Duration,
    poll: Duration,
}

impl<F> Clone for WatchedFile<F> {
    fn clone(&self) -> Self {
        let Self { path, document, settle, poll } = self;
        Self { path: path.clone(), document: document.clone(), settle: *settle, poll: *poll }
    }
}

impl<F> fmt::Debug for WatchedFile<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFile")
            .field("path", &self.path)
            .field("profile", &self.document.profile)
            .field("settle", &self.settle)
            .field("poll_every", &self.poll)
            .finish()
    }
}

/// An empty file is believed after so many times the settling time.
const EMPTY_SETTLES: u32 = 20;
/// And a file that never rests is read after so many.
const RESTLESS_SETTLES: u32 = 20;
const SHORTEST_POLL: Duration = Duration::from_millis(10);
/// No settings are longer; what is may not fit into memory.
const LONGEST: u64 = 10 << 20;

impl<F: Format> WatchedFile<F> {
    /// The file at `path`; a relative one is looked for in the working directory of this moment.
    /// Nothing is read yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
            document: Document::of(Profile::Default),
            settle: Duration::from_millis(50),
            poll: Duration::from_secs(30),
        }
    }

    /// The file's top level names profiles: `[default]`, `[production]`.
    #[must_use]
    pub fn nested(mut self) -> Self {
        self.document.profile = None;
        self
    }

    /// All that the file holds belongs to this profile.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<Profile>) -> Self {
        self.document.profile = Some(profile.into());
        self
    }

    /// How long the file must rest before it is read, 50 ms unless you say otherwise: it may be half
    /// written. One that never rests is read after twenty times as long. So is an empty one, since
    /// many programs empty a file before they write it.
    #[must_use]
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// How often the file is read though nothing was heard of it, every 30 s unless you say
    /// otherwise: network file systems do not tell of what other machines write.
    #[must_use]
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll = interval.max(SHORTEST_POLL);
        self
    }

    /// What the file holds: now, and whenever it holds something else.
    ///
    /// The current content is the first item, so that no change between a read at start and this
    /// moment is lost. A file that cannot be read, or is not what its format demands, is an item
    /// that holds the error, once; the next good content follows as soon as it is there.
    ///
    /// A thread watches until the stream is dropped.
    pub fn updates(&self) -> Updates
    where
        F: 'static,
    {
        let file = self.clone();
        Updates::fed_by("persevere-file", self.metadata(), move |feed| file.follow(feed))
    }

    fn follow(&self, feed: &Feed) {
        let mut watch = Watch::default();
        let mut seen = None;
        let mut heard = true;
        while !feed.is_over() {
            watch.aim(&self.path, feed);
            let alarms = feed.alarms();
            let content = self.rested(feed, seen.as_ref());
            if seen.as_ref() != Some(&content) {
                if !heard {
                    // It should have been, and it may be half written.
                    watch.distrust();
                    watch.aim(&self.path, feed);
                    self.settled(feed);
                    heard = true;
                    continue;
                }
                match &content {
                    Ok(bytes) => feed.publish(self.document.read(bytes)),
                    Err(message) => feed.problem(message),
                }
                seen = Some(content);
            }
            feed.wait(Some(alarms), self.poll);
            heard = feed.alarms() != alarms;
            if heard {
                self.settled(feed);
            }
        }
    }

    /// Waits until nothing happens for a while.
    fn settled(&self, feed: &Feed) {
        let begun = Instant::now();
        loop {
            let alarms = feed.alarms();
            feed.wait(Some(alarms), self.settle);
            let restless = begun.elapsed() >= self.settle.saturating_mul(RESTLESS_SETTLES);
            if feed.alarms() == alarms || restless || feed.is_over() {
                return;
            }
        }
    }

    /// The content, or what is wrong. An empty file that was not empty may be about to be written.
    fn rested(&self, feed: &Feed, before: Option<&Content>) -> Content {
        let content = read(&self.path);
        let emptied = |content: &Content| content.as_ref().is_ok_and(Vec::is_empty);
        if emptied(&content) && !before.is_some_and(emptied) {
            let alarms = feed.alarms();
            feed.wait(Some(alarms), self.settle.saturating_mul(EMPTY_SETTLES));
            self.settled(feed);
            return read(&self.path);
        }
        content
    }
}

impl<F: Format> Provider for WatchedFile<F> {
    fn metadata(&self) -> Metadata {
        Metadata::from(format!("{} file", F::NAME), &*self.path)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        read(&self.path).map_err(Error::from).and_then(|bytes| self.document.read(&bytes))
    }
}

/// What a file holds, or in words what is wrong with it.
type Content = Result<Vec<u8>, String>;

fn read(path: &Path) -> Content {
    // A pipe would block for ever, and a device never end.
    if !fs::metadata(path).map_err(describe)?.is_file() {
        return Err("not a regular file".into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(describe)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(describe)?;
    if bytes.len() as u64 > LONGEST {
        return Err("the file is longer than 10 MiB".into());
    }
    Ok(bytes)
}

fn describe(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "the file does not exist".into(),
        _ => format!("the file cannot be read: {error}"),
    }
}

/// Watches the directories on the way to a file.
#[derive(Default)]
struct Watch {
    route: Option<Arc<Route>>,
    watcher: Option<RecommendedWatcher>,
    /// The watcher's directory was moved or removed.
    blind: Arc<AtomicBool>,
}

impl Watch {
    /// The watcher may have missed something. The next [`aim`](Self::aim) makes another.
    fn distrust(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    /// Watches what there is to watch now, if that is something else than before.
    fn aim(&mut self, path: &Path, feed: &Feed) {
        let mut failure = None;
        // The way may change between looking and watching. That it changes each time is
        // somebody's loop, and the next poll's business.
        for _ in 0..8 {
            let route = Route::to(path);
            let same = self.route.as_deref() == Some(&route);
            let sees = self.watcher.is_some() && !self.blind.load(Ordering::Relaxed);
            if same && (sees || failure.is_some()) {
                break;
            }
            // A new watcher, since watches on directories that went do not all leave the old one.
            let route = Arc::new(route);
            let alarm = feed.alarm();
            self.watcher = None;
            self.blind = Arc::default();
            match watcher(Arc::clone(&route), Arc::clone(&self.blind), alarm) {
                Ok(watcher) => (self.watcher, failure) = (Some(watcher), None),
                Err(error) => failure = Some(error),
            }
            self.route = Some(route);
        }
        if let Some(_error) = failure {
            #[cfg(feature = "tracing")]
            tracing::warn!(
                file = %path.display(), error = %_error,
                "a settings file cannot be watched, and is only read from time to time",
            );
        }
    }
}

fn watcher(
    route: Arc<Route>,
    blind: Arc<AtomicBool>,
    alarm: impl Fn() + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let directories = Arc::clone(&route);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return alarm() };
        // Our own reading is an event too.
        let reads = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        if reads && !event.need_rescan() {
            return;
        }
        let moved =
            matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        if moved && event.paths.iter().any(|path| route.is_directory(path)) {
            blind.store(true, Ordering::Relaxed);
        }
        if event.paths.is_empty()
            || event.need_rescan()
            || event.paths.iter().any(|path| route.concerns(path))
        {
            alarm();
        }
    })?;
    for directory in &directories.directories {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A format that nothing parses.
    struct Never;
    impl Format for Never {
        type Error = serde::de::value::Error;
        const NAME: &'static str = "no";
        fn from_str<T: serde::de::DeserializeOwned>(_: &str) -> Result<T, Self::Error> {
            Err(serde::de::Error::custom("never"))
        }
    }

    #[test]
    fn dropping_the_stream_ends_its_thread() {
        let stopped =
            WatchedFile::<Never>::new("missing").poll_every(Duration::MAX).updates().has_stopped();
        let begun = Instant::now();
        while !stopped() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the thread goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[cfg(target_os = "linux")] // Elsewhere a rename is told differently.
    #[test]
    fn reading_the_file_is_no_event() -> io::Result<()> {
        use std::sync::atomic::AtomicUsize;

        let folder = tempfile::tempdir()?;
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&path, "")?;
        let alarms = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&alarms);
        let alarm = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let watcher = watcher(Arc::new(Route::to(&path)), Arc::default(), alarm);
        for told in [2, 4] {
            for _ in 0..100 {
                fs::read(&path)?;
            }
            fs::write(&other, "")?;
            fs::rename(&other, &path)?;
            // Two events: something came here, and it is the one that left there.
            let begun = Instant::now();
            while alarms.load(Ordering::Relaxed) < told {
                assert!(begun.elapsed() < Duration::from_secs(20), "the rename was not told");
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(alarms.load(Ordering::Relaxed), told);
        }
        drop(watcher);
        Ok(())
    }
}

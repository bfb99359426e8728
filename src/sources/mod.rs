//! Settings that change while the program runs: a watched file, a key of Consul.
//!
//! Retry behaviour is tuned when things go wrong, and that is the worst time for a restart. A source
//! holds a settings document, and is two things: a [`Provider`](figment::Provider) that gives it at
//! start, and a stream of [`Figment`](figment::Figment)s that gives it now and whenever it changes.
//! Where the policies of a program come from is thereby open: any other `Stream` of figments will do.
//!
//! ```
//! use figment::{Figment, providers::{Env, Toml}};
//! use futures::StreamExt;
//! use persevere::sources::WatchedFile;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("settings.toml");
//! # std::fs::write(&path, "attempts = 3")?;
//! let file = WatchedFile::<Toml>::new(&path);
//! // The environment has the last word, in every profile, at start and after each update.
//! let overridden = |figment: Figment| figment.merge(Env::prefixed("APP_").split("__").global());
//!
//! let at_start = overridden(Figment::from(&file));
//! assert_eq!(at_start.extract_inner::<u32>("attempts")?, 3);
//!
//! let updates = file.updates().map(overridden);
//! // On a task of its own: `policies.follow(updates).await`.
//! # let _ = updates;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in the stream?
//!
//! - The current content, at once: nothing is lost between a read at start and the first update.
//! - Each content that differs from the one before. What changes and changes back before anybody
//!   looks is no news.
//! - Each problem, once while it lasts: a figment from which nothing can be extracted but an error
//!   that names the source. The last good settings stay in force, since whoever follows refuses
//!   such a figment.
//! - After a problem the current content, even if it is the one that was good before.
//!
//! It ends only if the thread behind it cannot start, or if a format or a client of your own panics,
//! and says so before. Polling it needs no particular runtime.
//!
//! # What are the defaults?
//!
//! | setting | default |
//! |---|---|
//! | file: rest before it is read | 50 ms; 1 s if it is empty |
//! | file: read though nothing was heard of it | every 30 s |
//! | Consul: address | `http://127.0.0.1:8500` |
//! | Consul: a query waits for a change for up to | 55 s |
//! | Consul: between attempts while it is not well | 250 ms, doubling up to 30 s, equal jitter, for ever |
//! | Consul: between queries, however fast the answers | 100 ms; 1 s after one that brought nothing |
//! | Consul: reading at start gives up after | 10 s |
//! | either: the longest document | 10 MiB; a client of your own has its own limit |
//! | either: the profile that the settings belong to | `default` |
//!
//! # Do and don't
//!
//! - **Do** keep a file beside Consul and merge both, `file` first: a program can then start while
//!   Consul is away. Alone, as a provider, a source that cannot be read is an error.
//! - **Do** replace a file by renaming a new one over it. Then nobody reads half of it. One that is
//!   written in place is read after it has come to rest, and half a document, should one be read, is
//!   refused and followed by the whole.
//! - **Don't** read a provider in async code once others depend on the thread: it blocks, for Consul
//!   up to ten seconds. Do it at start. The stream never blocks.
//! - **Don't** put a secret into Consul's address; it is in every message. The token is in none.
//! - **Don't** keep a stream that nobody polls: it costs a thread.
#![allow(clippy::result_large_err)] // `Provider::data` gives figment's own error.

#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "consul")]
mod consul_queries;
mod document;
#[cfg(feature = "watch")]
mod file;
#[cfg(feature = "consul")]
mod http;
#[cfg(feature = "watch")]
mod symlinks;
mod updates;

#[cfg(feature = "consul")]
pub use self::consul::Consul;
#[cfg(feature = "watch")]
pub use self::file::WatchedFile;
#[cfg(feature = "consul")]
pub use self::http::{HttpGet, HttpRequest, HttpResponse};
pub use self::updates::Updates;

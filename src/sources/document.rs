//! A settings document: bytes that become a figment's data.

use std::format;
use std::marker::PhantomData;
use std::vec::Vec;

use figment::error::Kind;
use figment::providers::Format;
use figment::value::{Dict, Map};
use figment::{Error, Profile};

use crate::policy::config::quoted;

/// How the bytes are read: the format, and the profile that they belong to.
pub(super) struct Document<F> {
    /// `None`: the document's top level names the profiles.
    pub(super) profile: Option<Profile>,
    format: PhantomData<fn() -> F>,
}

impl<F> Document<F> {
    pub(super) fn of(profile: Profile) -> Self {
        Self { profile: Some(profile), format: PhantomData }
    }
}

impl<F> Clone for Document<F> {
    fn clone(&self) -> Self {
        Self { profile: self.profile.clone(), format: PhantomData }
    }
}

impl<F: Format> Document<F> {
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Map<Profile, Dict>, Error> {
        use figment::Provider;

        let text = std::str::from_utf8(bytes)
            .map_err(|error| Error::from(format!("not UTF-8: {error}")))?;
        let mut data = F::string(text);
        data.profile.clone_from(&self.profile);
        data.data().map_err(|mut error| {
            // toml quotes the line that is wrong, and ends with a line of its own, which the source's
            // name follows.
            if let Kind::Message(message) = &mut error.kind {
                let lines: Vec<_> = message.trim_end().lines().map(quoted).collect();
                *message = lines.join("\n");
            }
            error
        })
    }
}

//! The headers of a request.

use std::fmt;

use http::HeaderMap;

/// The headers of a request. `Debug` prints names only: the first 32, at most 64 bytes of each.
#[derive(Clone, Default)]
pub struct Headers {
    map: HeaderMap,
}

impl Headers {
    pub(crate) fn new(map: HeaderMap) -> Self {
        Self { map }
    }

    pub(crate) fn into_map(self) -> HeaderMap {
        self.map
    }

    /// The value of the first header with this name, in any case; `None` if there is none.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.map.get(name).map(|value| value.as_bytes())
    }

    /// As [`get`](Self::get), for a value of visible ASCII; `None` for any other value too.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.map.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers: names in lower case with their values, one entry for each value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + '_ {
        self.map.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.map.keys().take(MAX_NAMES).map(|name| {
            let name = name.as_str();
            name.get(..MAX_NAME_BYTES).unwrap_or(name)
        });
        let hidden = self.map.keys_len().saturating_sub(MAX_NAMES);
        let more = (hidden > 0).then(|| format!("and {hidden} more"));
        f.debug_list().entries(shown).entries(more).finish()
    }
}

const MAX_NAMES: usize = 32;
/// The names of headers are ASCII.
const MAX_NAME_BYTES: usize = 64;

//! The cache, the spans and the files of a run, for all of its parts.

use crate::peers::{Cache, Corpus, Scratch};

pub(super) struct Setup {
    pub(super) cache: Cache,
    pub(super) corpus: Corpus,
    /// For the programs of the peers.
    pub(super) scratch: Scratch,
}

impl Setup {
    /// # Errors
    /// There is no folder for the cache or for temporary files.
    pub(super) fn make() -> Result<Self, String> {
        let (cache, corpus) = (Cache::open()?, Corpus::new()?);
        Ok(Self { cache, corpus, scratch: Scratch::new("oracle")? })
    }
}

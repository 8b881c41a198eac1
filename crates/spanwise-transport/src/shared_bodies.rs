//! The bodies that transports make of one request, each made once for all that send the same.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::Compression;

/// The settings that determine the bytes of a body, besides the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyEncoding {
    pub(crate) is_json: bool,
    pub(crate) compression: Compression,
    pub(crate) level: i32,
    pub(crate) threshold: usize,
}

impl BodyEncoding {
    /// Uncompressed JSON.
    pub(crate) const JSON: Self =
        Self { is_json: true, compression: Compression::None, level: 0, threshold: 0 };
}

/// The bodies of one request, freed with its last clone.
#[derive(Default)]
pub(crate) struct SharedBodies {
    made: Mutex<Vec<(BodyEncoding, Option<Bytes>)>>,
}

impl SharedBodies {
    /// The body with this encoding, which `make` makes unless another transport has made it. `None`: it is sent
    /// uncompressed.
    ///
    /// A caller on another thread waits meanwhile: making its own would take as long, and memory that no
    /// budget was charged for.
    pub(crate) fn get_or_make<E>(
        &self,
        encoding: BodyEncoding,
        make: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Bytes>, E> {
        // A panic of `make` leaves the list as it was.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, body)) = made.iter().find(|(of, _)| *of == encoding) {
            return Ok(body.clone());
        }
        let body = make()?;
        made.push((encoding, body.clone()));
        Ok(body)
    }
}

impl fmt::Debug for SharedBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedBodies")
    }
}

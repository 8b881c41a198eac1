//! A string over `Bytes`.

mod compare;
mod convert;

use std::ops::{Bound, Deref, RangeBounds};
use std::str;

use bytes::Bytes;

use crate::error::FromUtf8Error;

/// A UTF-8 string in shared memory: [`Bytes`] that were validated once.
///
/// A clone and a [slice](Self::slice) share the memory; `Bytes`, `String` and `&'static str` become
/// a `ByteStr`, and a `ByteStr` becomes `Bytes`, without a copy. It dereferences to `str`, and
/// compares, hashes and prints as one.
///
/// A slice keeps the whole buffer alive. To retain a few bytes of a large one for long, copy them:
/// `text.parse::<ByteStr>()`.
///
/// ```
/// use spanwise_bytes::{ByteStr, bytes::Bytes};
///
/// let body = Bytes::from(String::from("GET /orders HTTP/1.1"));
/// let line = ByteStr::try_from(body.clone())?; // one UTF-8 check, no copy
/// let method = line.split(' ').next().and_then(|method| line.slice_ref(method));
/// assert_eq!(method.as_deref(), Some("GET"));
/// assert_eq!(line.as_ptr(), body.as_ptr());
/// # Ok::<(), spanwise_bytes::FromUtf8Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ByteStr {
    /// Valid UTF-8: every constructor takes a `str` or checks, and the bytes of a `Bytes` never
    /// change while a handle exists.
    bytes: Bytes,
}

impl ByteStr {
    /// An empty string. Allocates nothing.
    pub const fn new() -> Self {
        Self::from_static("")
    }

    /// A string over static memory. Allocates nothing.
    pub const fn from_static(text: &'static str) -> Self {
        Self { bytes: Bytes::from_static(text.as_bytes()) }
    }

    /// Validates `bytes` and takes them as a string, in the same memory.
    ///
    /// # Errors
    /// [`FromUtf8Error`], which returns the bytes.
    ///
    /// # Cost
    /// One pass over the bytes; no copy and no allocation.
    #[doc(alias = "BytesToString")]
    pub fn from_utf8(bytes: Bytes) -> Result<Self, FromUtf8Error> {
        match str::from_utf8(&bytes) {
            Ok(_) => Ok(Self { bytes }),
            Err(error) => Err(FromUtf8Error { bytes, error }),
        }
    }

    /// A string in memory of its own. [`FromStr`](std::str::FromStr) does the same.
    ///
    /// # Cost
    /// One allocation and one copy.
    pub fn copy_from_str(text: &str) -> Self {
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// The text.
    #[inline]
    #[allow(unsafe_code, reason = "a check at each use would cost a pass over the text")]
    pub fn as_str(&self) -> &str {
        // SAFETY: `bytes` are UTF-8 by this type's invariant.
        unsafe { str::from_utf8_unchecked(&self.bytes) }
    }

    /// The bytes of the text, in the same memory; [`clone`](Clone::clone) first to retain the
    /// string.
    #[doc(alias = "StringToBytes")]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// A `String` with the text, in the same memory if no other handle shares it.
    ///
    /// # Cost
    /// One allocation and one copy if the memory is shared or static.
    #[allow(unsafe_code, reason = "a check would cost a pass over the text")]
    pub fn into_string(self) -> String {
        // SAFETY: `bytes` are UTF-8 by this type's invariant.
        unsafe { String::from_utf8_unchecked(Vec::from(self.bytes)) }
    }

    /// The part of the text in `range`, which is in bytes, sharing the memory.
    ///
    /// `None`, where `Bytes::slice` and indexing a `str` panic: when `range` ends beyond the text,
    /// ends before it starts, or cuts a character.
    ///
    /// # Cost
    /// O(1).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1)?,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len(),
        };
        // `str::get` checks order, length and both character boundaries.
        self.as_str().get(start..end)?;
        Some(Self { bytes: self.bytes.slice(start..end) })
    }

    /// `part`, a part of this text as `split`, `trim` or `lines` returned it, sharing the memory.
    ///
    /// `None` when `part` lies in other memory. An empty `part` is always found.
    ///
    /// # Cost
    /// O(1).
    pub fn slice_ref(&self, part: &str) -> Option<Self> {
        if part.is_empty() {
            return Some(Self::new());
        }
        let start = part.as_ptr().addr().checked_sub(self.as_ptr().addr())?;
        // `slice` refuses a part that ends behind this text, in memory that another slice covers.
        self.slice(start..start.checked_add(part.len())?)
    }
}

impl Deref for ByteStr {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

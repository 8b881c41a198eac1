//! Conversions from and to `ByteStr`.

use std::borrow::Cow;
use std::convert::Infallible;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::ByteStr;
use crate::error::FromUtf8Error;

/// No copy: the same memory.
impl From<&'static str> for ByteStr {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

/// No copy: the same memory.
impl From<String> for ByteStr {
    fn from(text: String) -> Self {
        Self { bytes: Bytes::from(text) }
    }
}

/// No copy: the same memory.
impl From<Box<str>> for ByteStr {
    fn from(text: Box<str>) -> Self {
        Self::from(String::from(text))
    }
}

/// No copy: the same memory, borrowed or owned.
impl From<Cow<'static, str>> for ByteStr {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from_static(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

/// One allocation and one copy, as [`ByteStr::copy_from_str`].
impl FromStr for ByteStr {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::copy_from_str(text))
    }
}

/// As [`ByteStr::from_utf8`].
impl TryFrom<Bytes> for ByteStr {
    type Error = FromUtf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, FromUtf8Error> {
        Self::from_utf8(bytes)
    }
}

/// As [`ByteStr::from_utf8`].
impl TryFrom<BytesMut> for ByteStr {
    type Error = FromUtf8Error;

    fn try_from(bytes: BytesMut) -> Result<Self, FromUtf8Error> {
        Self::from_utf8(bytes.freeze())
    }
}

/// As [`ByteStr::from_utf8`].
impl TryFrom<Vec<u8>> for ByteStr {
    type Error = FromUtf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, FromUtf8Error> {
        Self::from_utf8(Bytes::from(bytes))
    }
}

/// As [`ByteStr::into_bytes`].
impl From<ByteStr> for Bytes {
    fn from(text: ByteStr) -> Self {
        text.into_bytes()
    }
}

/// As [`ByteStr::into_string`].
impl From<ByteStr> for String {
    fn from(text: ByteStr) -> Self {
        text.into_string()
    }
}

//! Borrowed conversions between text and bytes.

use std::str::{self, Utf8Error};

/// Borrows UTF-8 bytes as a `&str`: [`std::str::from_utf8`].
///
/// Go reaches this with `unsafe`, because its strings own their bytes, and gives up two guarantees:
/// the bytes may change under the string, and the string may outlive them. Here both are errors of
/// the compiler, and the UTF-8 check is what remains to pay.
///
/// Wrong: the buffer changes while the text is in use.
///
/// ```compile_fail,E0502
/// use spanwise_bytes::bytes_to_str;
///
/// let mut buffer = b"hello".to_vec();
/// let text = bytes_to_str(&buffer).unwrap();
/// buffer[0] = b'J'; // error[E0502]: cannot borrow `buffer` as mutable
/// assert_eq!(text, "hello");
/// ```
///
/// Wrong: the text outlives its buffer.
///
/// ```compile_fail,E0597
/// use spanwise_bytes::bytes_to_str;
///
/// let text;
/// {
///     let buffer = b"hello".to_vec();
///     text = bytes_to_str(&buffer).unwrap(); // error[E0597]: `buffer` does not live long enough
/// }
/// assert_eq!(text, "hello");
/// ```
///
/// Right: read first, then write; or share the memory with a [`ByteStr`](crate::ByteStr).
///
/// ```
/// use spanwise_bytes::bytes_to_str;
///
/// let mut buffer = b"hello".to_vec();
/// assert_eq!(bytes_to_str(&buffer), Ok("hello"));
/// buffer[0] = b'J';
/// assert_eq!(bytes_to_str(&buffer), Ok("Jello"));
/// assert!(bytes_to_str(b"\xff").is_err());
/// ```
///
/// # Errors
/// [`Utf8Error`] with the position of the first invalid sequence.
///
/// # Cost
/// One pass over the bytes; no copy and no allocation.
#[doc(alias = "BytesToString")]
#[inline]
pub const fn bytes_to_str(bytes: &[u8]) -> Result<&str, Utf8Error> {
    str::from_utf8(bytes)
}

/// Borrows the bytes of a text: [`str::as_bytes`].
///
/// Wrong: writing through the bytes of a literal, which in Go compiles and crashes.
///
/// ```compile_fail,E0594
/// use spanwise_bytes::str_to_bytes;
///
/// let bytes = str_to_bytes("hello");
/// bytes[0] = b'J'; // error[E0594]: cannot assign to `bytes[_]`, which is behind a `&` reference
/// ```
///
/// Right: read them, or write to a copy.
///
/// ```
/// use spanwise_bytes::str_to_bytes;
///
/// let bytes = str_to_bytes("hello");
/// assert_eq!(bytes.first(), Some(&b'h'));
/// let mut copy = bytes.to_vec();
/// copy[0] = b'J';
/// assert_eq!((bytes, &copy[..]), (&b"hello"[..], &b"Jello"[..]));
/// ```
///
/// # Cost
/// None: the same pointer and length.
#[doc(alias = "StringToBytes")]
#[inline]
pub const fn str_to_bytes(text: &str) -> &[u8] {
    text.as_bytes()
}

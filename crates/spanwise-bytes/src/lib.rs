#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
// `byte_str/mod.rs` alone opens this, for the invariant that its constructors establish.
#![deny(unsafe_code)]

mod byte_str;
mod chain;
mod convert;
mod error;
mod write_to;

pub use byte_str::ByteStr;
/// The crate `bytes`, whose [`Bytes`](bytes::Bytes) and [`Buf`](bytes::Buf) stand in this crate's
/// signatures.
pub use bytes;
pub use chain::BytesChain;
pub use convert::{bytes_to_str, str_to_bytes};
pub use error::FromUtf8Error;
pub use write_to::WriteTo;

//! Requests to records and back: Zstandard frames, with a dictionary once one is trained.

mod compressor;
mod decompressor;
mod dictionary;
mod find;
mod trainer;

pub use compressor::{CompressedRequest, RequestCompressor};
pub(crate) use decompressor::Decompressor;
pub(crate) use dictionary::{Dictionary, SharedDictionary};
pub(crate) use find::{find_dictionary, read_dictionary};
pub(crate) use trainer::Trainer;

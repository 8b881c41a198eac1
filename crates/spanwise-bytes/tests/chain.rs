//! `BytesChain` beside the concatenated `Vec`, which is the model.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

use std::io::{self, ErrorKind, IoSlice, Write};

use proptest::prelude::*;
use spanwise_bytes::bytes::{Buf, BufMut, Bytes};
use spanwise_bytes::{BytesChain, WriteTo};

#[derive(Debug, Clone)]
enum Step {
    Advance(usize),
    CopyToBytes(usize),
    CopyToSlice(usize),
    Push(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..40usize).prop_map(Step::Advance),
        (0..40usize).prop_map(Step::CopyToBytes),
        (0..40usize).prop_map(Step::CopyToSlice),
        any::<Vec<u8>>().prop_map(Step::Push),
    ];
    prop::collection::vec(step, 0..20)
}

proptest! {
    #[test]
    fn a_chain_reads_as_its_pieces_in_one(pieces: Vec<Vec<u8>>, steps in steps(), slots in 0..9usize) {
        let mut chain = BytesChain::from_iter(pieces.clone());
        let mut model: Vec<u8> = pieces.concat();
        for step in steps {
            match step {
                Step::Advance(count) => {
                    let count = count.min(model.len());
                    chain.advance(count);
                    model.drain(..count);
                }
                Step::CopyToBytes(count) => {
                    let count = count.min(model.len());
                    let copy = chain.copy_to_bytes(count);
                    prop_assert_eq!(&copy[..], &model.drain(..count).collect::<Vec<_>>()[..]);
                }
                Step::CopyToSlice(count) => {
                    let mut copy = vec![0; count.min(model.len())];
                    chain.copy_to_slice(&mut copy);
                    prop_assert_eq!(&copy[..], &model.drain(..copy.len()).collect::<Vec<_>>()[..]);
                }
                Step::Push(piece) => {
                    model.extend_from_slice(&piece);
                    chain.push(piece);
                }
            }
            prop_assert_eq!(chain.remaining(), model.len());
            prop_assert_eq!(chain.chunk().is_empty(), model.is_empty());
            prop_assert!(model.starts_with(chain.chunk()));
            prop_assert!(chain.pieces().all(|piece| !piece.is_empty()));
            prop_assert_eq!(&chain.pieces().flatten().copied().collect::<Vec<_>>(), &model);

            let mut slices = vec![IoSlice::new(b"unused"); slots];
            let count = chain.chunks_vectored(&mut slices);
            prop_assert_eq!(count, slots.min(chain.pieces().len()));
            let seen: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            prop_assert!(model.starts_with(&seen));
            prop_assert!(slices[count..].iter().all(|slice| **slice == *b"unused"));
        }
        prop_assert_eq!(&chain.clone().into_iter().flatten().collect::<Vec<_>>(), &model);
        let mut put = Vec::new();
        put.put(chain.clone());
        prop_assert_eq!(&put, &model);
        prop_assert_eq!(&chain.into_bytes()[..], &model[..]);
    }

    #[test]
    fn write_to_writes_each_byte_once_whatever_the_writer_accepts(
        pieces: Vec<Vec<u8>>,
        answers in prop::collection::vec(0..50usize, 0..50),
    ) {
        let mut chain = BytesChain::from_iter(pieces.clone());
        let mut writer = Moody { answers, ..Moody::default() };
        let mut reported = 0;
        // Each error is answered by another call, which continues where the last one stopped.
        while chain.has_remaining() {
            match chain.write_to(&mut writer) {
                Ok(count) => reported += count,
                Err(error) => {
                    prop_assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::WriteZero));
                    reported = writer.written.len() as u64;
                }
            }
            prop_assert_eq!(reported, writer.written.len() as u64);
        }
        prop_assert_eq!(writer.written, pieces.concat());
    }
}

/// Accepts what its list of answers states, and everything after the last one.
#[derive(Default)]
struct Moody {
    answers: Vec<usize>,
    written: Vec<u8>,
    vectored: usize,
}

impl Moody {
    fn answer(&mut self) -> io::Result<usize> {
        match self.answers.pop() {
            Some(0) => Ok(0),
            Some(1) => Err(ErrorKind::Interrupted.into()),
            Some(2) => Err(ErrorKind::WouldBlock.into()),
            Some(count) => Ok(count),
            None => Ok(usize::MAX),
        }
    }
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.answer()?.min(bytes.len());
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.vectored += 1;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn many_pieces_take_one_vectored_write_for_each_64() {
    for (pieces, writes) in [(1, 0), (2, 1), (64, 1), (65, 1), (128, 2), (130, 3)] {
        let mut chain: BytesChain = (0..pieces).map(|_| Bytes::from_static(b"piece")).collect();
        let mut writer = Moody::default();
        assert_eq!(chain.write_to(&mut writer).unwrap(), 5 * pieces);
        // One piece alone, also the last of 65, is a plain write.
        assert_eq!(writer.vectored, writes, "{pieces} pieces");
    }
}

#[test]
fn a_writer_that_claims_too_much_does_not_panic_the_caller() {
    struct Liar;
    impl Write for Liar {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(usize::MAX)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut chain = BytesChain::from_iter(["a", "b"]);
    assert_eq!(chain.write_to(&mut Liar).unwrap(), 2);
}

#[test]
fn write_to_takes_every_buf_and_unsized_writers() {
    let mut out = Vec::new();
    {
        let writer: &mut dyn Write = &mut out;
        let mut slice = &b"slice "[..];
        assert_eq!(slice.write_to(writer).unwrap(), 6);
        Bytes::from_static(b"bytes ").write_to(writer).unwrap();
        b"a".chain(&b"b"[..]).write_to(writer).unwrap();
    }
    assert_eq!(out, b"slice bytes ab");
}

#[test]
fn pieces_share_memory_until_they_are_consumed() {
    let dropped = std::sync::Arc::new(());
    struct Owner(#[allow(dead_code, reason = "counts drops")] std::sync::Arc<()>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }
    let piece = Bytes::from_owner(Owner(dropped.clone()));
    let mut chain = BytesChain::from(piece.clone());
    chain.push(Bytes::new());
    chain.push("tail");
    assert_eq!(chain.pieces().len(), 2);
    let retry = chain.clone();
    assert_eq!(chain.copy_to_bytes(3).as_ptr(), piece.as_ptr());
    assert_eq!(chain.copy_to_bytes(2).as_ptr(), piece.as_ptr().wrapping_add(3));
    assert_eq!(chain.clone().into_bytes().as_ptr(), chain.chunk().as_ptr());
    drop(piece);
    assert_eq!(std::sync::Arc::strong_count(&dropped), 2, "the retry holds it");
    drop(retry);
    assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
}

#[test]
fn reading_beyond_the_end_panics_as_every_buf_does() {
    let beyond = |read: fn(&mut BytesChain)| {
        std::panic::catch_unwind(|| read(&mut BytesChain::from_iter(["ab", "c"]))).is_err()
    };
    assert!(beyond(|chain| chain.advance(4)));
    assert!(beyond(|chain| drop(chain.copy_to_bytes(4))));
    assert!(!beyond(|chain| chain.advance(3)));
    assert!(!beyond(|chain| drop(chain.copy_to_bytes(3))));
}

#[test]
fn debug_prints_lengths_and_no_bytes() {
    let chain = BytesChain::from_iter(["secret", "x"]);
    assert_eq!(format!("{chain:?}"), "BytesChain { remaining: 7, pieces: 2, .. }");
}

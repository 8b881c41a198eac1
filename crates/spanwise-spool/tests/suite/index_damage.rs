//! Bytes that are not the index of the segment: they are refused, or do no harm.

use crate::indexes;

use indexes::*;
use proptest::prelude::*;
use spanwise_spool::RecordQuery;
use spanwise_spool::index::{
    HEAD_LEN, Head, IndexBuilder, IndexError, SegmentIdentity, SegmentIndex,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_index(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SegmentIndex::parse_file(&bytes, SEGMENT).is_err());
        let mut begun = sealed(&[request(&[("shop", &[span(1)])])], SEGMENT);
        begun.truncate(10);
        begun.extend_from_slice(&bytes);
        prop_assert!(SegmentIndex::parse_file(&begun, SEGMENT).is_err());
    }
}

#[test]
fn an_index_of_another_segment_or_version_is_refused() {
    let file = sealed(&records(3, 10, 2), SEGMENT);
    let refused = |segment| SegmentIndex::parse_file(&file, segment).map(drop);
    assert_eq!(refused(SEGMENT), Ok(()));
    let SegmentIdentity { id, created_unix_nanos, len } = SEGMENT;
    for other in [
        SegmentIdentity { id: id + 1, ..SEGMENT },
        SegmentIdentity { created_unix_nanos: created_unix_nanos + 1, ..SEGMENT },
        SegmentIdentity { len: len - 1, ..SEGMENT },
    ] {
        assert_eq!(refused(other), Err(IndexError::OtherSegment));
    }
    let mut future = file.clone();
    future[8] = 2;
    let error = SegmentIndex::parse_file(&future, SEGMENT).map(drop);
    assert_eq!(error, Err(IndexError::Version { found: 2 }));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the index has version 2; this build reads version 1"
    );
    for len in 0..file.len() {
        assert!(SegmentIndex::parse_file(&file[..len], SEGMENT).is_err(), "{len} bytes");
    }
}

/// Each changed byte is an error, when the tables are read or when the page is, or no answer depends on it.
#[test]
fn a_changed_byte_never_hides_a_trace() {
    let records = records(40, 150, 1);
    let traces = 40 * 150;
    let file = sealed(&records, SEGMENT);
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    assert!(index.head().records == 40 && file.len() > 2 * 4096, "{} bytes", file.len());
    let mut errors = 0;
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= if at % 2 == 0 { 0x01 } else { 0xff };
        let Ok(index) = SegmentIndex::parse_file(&changed, SEGMENT) else {
            errors += 1;
            continue;
        };
        let trace = (at as u64 * 31) % traces;
        match find(&index, &changed, random(trace)) {
            Ok((found, _)) => assert!(found.contains(&((trace / 150) as u32)), "byte {at}"),
            Err(error) => {
                assert_eq!(error, IndexError::Checksum { part: "page" });
                errors += 1;
            }
        }
    }
    assert!(errors > HEAD_LEN, "{errors}");
}

#[test]
fn corrected_checksums_are_accepted() {
    let mut file = sealed(&records(6, 40, 1), SEGMENT);
    let expected = file.clone();
    let front_len = Head::parse(&file, file.len() as u64).unwrap().front_len as usize;
    file[TABLES_CHECKSUM] ^= 1;
    file[HEAD_LEN - 1] ^= 1;
    assert!(SegmentIndex::parse_file(&file, SEGMENT).is_err());
    correct_checksums(&mut file, front_len);
    assert_eq!(file, expected);
}

#[test]
fn pages_of_another_index_and_pages_in_the_wrong_place_are_refused() {
    let records = records(40, 150, 1);
    let file = sealed(&records, SEGMENT);
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    let page = |file: &[u8], number| {
        let bytes = index.page_bytes(number);
        file[bytes.start as usize..bytes.end as usize].to_vec()
    };
    let check = |number, bytes: &[u8]| {
        index.find_in_page(number, bytes, random(1).to_be_bytes(), &mut Vec::new())
    };
    assert_eq!(check(0, &page(&file, 0)), Ok(()));
    assert_eq!(check(1, &page(&file, 0)), Err(IndexError::Malformed { part: "page" }));
    assert_eq!(check(0, &[0; 4096]), Err(IndexError::Checksum { part: "page" }));
    assert_eq!(check(0, &[]), Err(IndexError::Truncated));
    let mut builder = IndexBuilder::new(SEED + 1);
    for (number, record) in records.iter().enumerate() {
        let _facts = add(&mut builder, number as u32, record);
    }
    let other = builder.seal(SEGMENT).into_bytes();
    assert_eq!(check(0, &page(&other, 0)), Err(IndexError::Checksum { part: "page" }));
}

/// Where the checksum of the tables is.
const TABLES_CHECKSUM: usize = 100;

/// Corrects the checksums of an index, as an attacker does.
fn correct_checksums(file: &mut [u8], front_len: usize) {
    if let Some(tables) = file.get(HEAD_LEN..front_len) {
        let sum = crc32c::crc32c(tables).to_le_bytes();
        file[TABLES_CHECKSUM..TABLES_CHECKSUM + 4].copy_from_slice(&sum);
    }
    let sum = crc32c::crc32c(&file[..HEAD_LEN - 4]).to_le_bytes();
    file[HEAD_LEN - 4..HEAD_LEN].copy_from_slice(&sum);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// No panic, no endless loop, no more memory than the file justifies.
    #[test]
    fn bytes_with_right_checksums_and_wrong_contents_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_front in any::<bool>(),
    ) {
        let records = records(6, 40, 1);
        let mut file = sealed(&records, SEGMENT);
        let len = file.len();
        let front_len = Head::parse(&file, len as u64).unwrap().front_len as usize;
        for (at, byte) in changes {
            let at = if in_front { 10 + at.index(front_len - 10) } else { at.index(len) };
            file[at] = byte;
        }
        correct_checksums(&mut file, front_len);
        if let Ok(index) = SegmentIndex::parse_file(&file, SEGMENT) {
            for trace in (0..240).step_by(7) {
                let id = random(trace).to_be_bytes();
                let mut found = Vec::new();
                for page in index.pages_of(id) {
                    let bytes = index.page_bytes(page);
                    prop_assert!(bytes.end <= len as u64 && bytes.end - bytes.start <= 4096);
                    let mut bytes = file[bytes.start as usize..bytes.end as usize].to_vec();
                    let sum = crc32c::crc32c_append(crc32c::crc32c(&SEED.to_le_bytes()), &bytes[4..]);
                    bytes[..4].copy_from_slice(&sum.to_le_bytes());
                    let _result = index.find_in_page(page, &bytes, id, &mut found);
                }
                prop_assert!(found.iter().all(|record| *record < index.head().records));
            }
            let _found = index.find_records(&RecordQuery::default().with_service("shop").with_times(0..=9));
        }
    }
}

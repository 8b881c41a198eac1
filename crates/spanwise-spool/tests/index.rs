//! The index of a segment: it finds every trace, seldom another one, within its size, and refuses all other bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use proptest::prelude::*;
use spanwise_spool::RecordQuery;
use spanwise_spool::index::{
    HEAD_LEN, Head, IndexBuilder, IndexError, RecordFacts, RecordPlace, SealedIndex,
    SegmentIdentity, SegmentIndex, extract_trace,
};
use spanwise_wire::read::TraceRequest;
use spanwise_wire::write::{put_bytes, put_message};
use std::collections::{BTreeMap, BTreeSet};

const SEED: u64 = 0x5eed;

/// A span in a request: of a trace, with a start and an end.
#[derive(Debug, Clone, Copy)]
struct Span {
    trace: u128,
    start: u64,
    end: u64,
}

fn span(trace: u128) -> Span {
    Span { trace, start: 1000, end: 2000 }
}

/// A request with the spans of each service.
fn request(services: &[(&str, &[Span])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (service, spans) in services {
        put_message(&mut out, 0x0a, |group| {
            if !service.is_empty() {
                put_message(group, 0x0a, |resource| {
                    put_message(resource, 0x0a, |attribute| {
                        put_bytes(attribute, 0x0a, b"service.name");
                        put_message(attribute, 0x12, |value| {
                            put_bytes(value, 0x0a, service.as_bytes());
                        });
                    });
                });
            }
            put_message(group, 0x12, |scope| {
                for span in *spans {
                    put_message(scope, 0x12, |out| {
                        put_bytes(out, 0x0a, &span.trace.to_be_bytes());
                        put_bytes(out, 0x12, &[1; 8]);
                        out.push(0x39);
                        out.extend_from_slice(&span.start.to_le_bytes());
                        out.push(0x41);
                        out.extend_from_slice(&span.end.to_le_bytes());
                    });
                }
            });
        });
    }
    out
}

/// Adds a record to an index.
fn add(builder: &mut IndexBuilder, number: u32, request: &[u8]) -> RecordFacts {
    let facts = RecordFacts::read(request, builder.seed());
    assert_eq!(builder.add(place(number), &facts), number);
    facts
}

fn place(number: u32) -> RecordPlace {
    RecordPlace { record: number + 2, offset: 64 + u64::from(number) * 1000, len: 1000 }
}

const SEGMENT: SegmentIdentity = SegmentIdentity { id: 7, created_unix_nanos: 99, len: 64 << 20 };

/// The numbers of the records that the sealed index has for a trace, and the number of pages read.
fn find(index: &SegmentIndex, file: &[u8], trace: u128) -> Result<(Vec<u32>, u32), IndexError> {
    let (mut records, id) = (Vec::new(), trace.to_be_bytes());
    let pages = index.pages_of(id);
    let read = pages.end - pages.start;
    for page in pages {
        let bytes = index.page_bytes(page);
        let bytes = file.get(bytes.start as usize..bytes.end as usize).unwrap();
        index.find_in_page(page, bytes, id, &mut records)?;
    }
    Ok((records, read))
}

fn sealed(records: &[Vec<u8>], segment: SegmentIdentity) -> Vec<u8> {
    let mut builder = IndexBuilder::new(SEED);
    for (number, record) in records.iter().enumerate() {
        let _facts = add(&mut builder, number as u32, record);
    }
    let sealed = builder.seal(segment);
    let len = sealed.file_len();
    let bytes = sealed.into_bytes();
    assert_eq!(bytes.len() as u64, len);
    bytes
}

/// Trace `n` of a generator with random ids.
fn random(n: u64) -> u128 {
    let mix = |value: u64| {
        let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    };
    let (a, b) = (mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), mix(!n));
    u128::from(a) << 64 | u128::from(b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Before and after the seal, for any number of records, of traces and of bytes.
    #[test]
    fn every_trace_is_found_in_each_of_its_records(
        records in prop::collection::vec(prop::collection::vec(0..300u64, 0..40), 0..60),
        segment_len in prop_oneof![Just(0u64), 0..5000u64, Just(1 << 20), Just(1 << 32)],
    ) {
        let mut builder = IndexBuilder::new(SEED);
        let mut expected = BTreeMap::<u64, BTreeSet<u32>>::new();
        for (number, traces) in records.iter().enumerate() {
            let spans: Vec<_> = traces.iter().map(|trace| span(random(*trace))).collect();
            let facts = add(&mut builder, number as u32, &request(&[("shop", &spans)]));
            prop_assert_eq!(facts.spans(), spans.len() as u64);
            traces.iter().for_each(|it| _ = expected.entry(*it).or_default().insert(number as u32));
        }
        for trace in 0..310 {
            let found: BTreeSet<_> = builder.find(random(trace).to_be_bytes()).into_iter().collect();
            prop_assert_eq!(found, expected.get(&trace).cloned().unwrap_or_default());
        }
        let segment = SegmentIdentity { len: segment_len, ..SEGMENT };
        let file = builder.seal(segment).into_bytes();
        let index = SegmentIndex::parse_file(&file, segment).unwrap();
        prop_assert_eq!(index.records().count(), records.len());
        for (trace, records) in expected {
            let (found, _) = find(&index, &file, random(trace)).unwrap();
            let found: BTreeSet<_> = found.into_iter().collect();
            prop_assert!(found.is_superset(&records), "{trace}: {found:?} {records:?}");
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_index(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SegmentIndex::parse_file(&bytes, SEGMENT).is_err());
        let mut begun = sealed(&[request(&[("shop", &[span(1)])])], SEGMENT);
        begun.truncate(10);
        begun.extend_from_slice(&bytes);
        prop_assert!(SegmentIndex::parse_file(&begun, SEGMENT).is_err());
    }
}

/// Records of `spans` spans whose traces have `per_trace` spans each, one after the other.
fn records(count: u64, spans: u64, per_trace: u64) -> Vec<Vec<u8>> {
    let record = |record| {
        let spans: Vec<_> =
            (0..spans).map(|at| span(random((record * spans + at) / per_trace))).collect();
        request(&[("shop", &spans)])
    };
    (0..count).map(record).collect()
}

#[test]
fn the_index_takes_three_percent_and_reads_one_page() {
    // As in a segment of 54 bytes a span on disk.
    for (per_trace, max_false) in [(1, 0.5), (2, 0.02), (5, 0.002)] {
        let (count, spans) = (100, 1000);
        let segment = SegmentIdentity { len: count * spans * 54, ..SEGMENT };
        let file = sealed(&records(count, spans, per_trace), segment);
        let share = file.len() as f64 / segment.len as f64;
        assert!(share <= 0.03, "{per_trace} spans in a trace: {share}");
        let index = SegmentIndex::parse_file(&file, segment).unwrap();
        let traces = count * spans / per_trace;
        for trace in (0..traces).step_by(97) {
            let (records, pages) = find(&index, &file, random(trace)).unwrap();
            let first = (trace * per_trace / spans) as u32;
            assert!(records.contains(&first), "{trace}");
            assert_eq!(pages, 1);
        }
        let absent = 4_000;
        let found = |trace| find(&index, &file, random(traces + trace)).unwrap().0.len();
        let read: usize = (0..absent).map(found).sum();
        let read = read as f64 / absent as f64;
        assert!(read <= max_false, "{per_trace} spans in a trace: {read} records read in vain");
    }
}

#[test]
fn a_trace_in_thousands_of_records_continues_on_further_pages() {
    let long = random(u64::MAX);
    let records: Vec<_> = (0..20_000)
        .map(|number| request(&[("shop", &[span(long), span(random(number))])]))
        .collect();
    let file = sealed(&records, SEGMENT);
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    let (found, pages) = find(&index, &file, long).unwrap();
    assert!(pages > 2, "{pages}");
    assert_eq!(found, (0..20_000).collect::<Vec<_>>());
    for trace in 0..20_000 {
        let (found, _) = find(&index, &file, random(trace)).unwrap();
        assert!(found.contains(&(trace as u32)), "{trace}");
    }
}

#[test]
fn a_full_builder_reports_it_and_its_memory_is_bounded() {
    let mut builder = IndexBuilder::new(SEED);
    let mut records = 0;
    while !builder.is_full() {
        let base = u64::from(records) * 8192;
        let spans: Vec<_> = (base..base + 8192).map(|trace| span(random(trace))).collect();
        let _facts = add(&mut builder, records, &request(&[("shop", &spans)]));
        records += 1;
    }
    assert_eq!((records, builder.spans()), (128, 1 << 20));
    assert!(builder.memory() <= 9 << 20, "{}", builder.memory());
}

#[test]
fn records_are_found_by_time_and_service() {
    let of = |start, end| [Span { trace: 1, start, end }];
    let mut builder = IndexBuilder::new(SEED);
    let shop = request(&[("shop", &of(100, 200)), ("cart", &of(150, 300))]);
    let cart = request(&[("cart", &of(400, 500))]);
    let nameless = request(&[("", &of(600, 650))]);
    // A start alone, an end alone, and no time.
    let timeless = request(&[("shop", &[of(0, 700)[0], of(0, 0)[0]]), ("late", &of(900, 0))]);
    let empty = request(&[("idle", &[])]);
    for (number, record) in [&shop, &cart, &nameless, &timeless, &empty].into_iter().enumerate() {
        let _facts = add(&mut builder, number as u32, record);
    }
    let further: Vec<String> = (0..2000).map(|n| format!("service-{n}")).collect();
    let further: Vec<_> = further.iter().map(|name| (name.as_str(), of(2000, 2001))).collect();
    let further: Vec<_> = further.iter().map(|(name, span)| (*name, &span[..])).collect();
    let _facts = add(&mut builder, 5, &request(&further));
    let queries = [
        (RecordQuery::default(), vec![0, 1, 2, 3, 4, 5]),
        (RecordQuery::default().with_service("shop"), vec![0, 3, 5]),
        (RecordQuery::default().with_service("cart"), vec![0, 1, 5]),
        (RecordQuery::default().with_service(""), vec![2, 5]),
        (RecordQuery::default().with_service("idle"), vec![5]),
        (RecordQuery::default().with_service("service-0"), vec![5]),
        (RecordQuery::default().with_service("service-1999"), vec![5]),
        (RecordQuery::default().with_times(0..=99), vec![]),
        (RecordQuery::default().with_times(0..=100), vec![0]),
        (RecordQuery::default().with_times(300..=400), vec![0, 1]),
        (RecordQuery::default().with_times(301..=399), vec![]),
        (RecordQuery::default().with_times(800..=u64::MAX), vec![3, 5]),
        (RecordQuery::default().with_times(0..=u64::MAX), vec![0, 1, 2, 3, 5]),
        (RecordQuery::default().with_times(0..=450).with_service("cart"), vec![0, 1]),
        (RecordQuery::default().with_times(350..=450).with_service("shop"), vec![]),
    ];
    for (query, expected) in &queries {
        assert_eq!(&builder.find_records(query), expected, "{query:?}");
    }
    let file = builder.seal(SEGMENT).into_bytes();
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    for (query, expected) in &queries {
        assert_eq!(&index.find_records(query), expected, "{query:?}");
    }
    assert_eq!(index.services_of(0).collect::<Vec<_>>(), ["shop", "cart"]);
    assert_eq!(index.services().take(4).collect::<Vec<_>>(), ["shop", "cart", "", "late"]);
    let record = index.record(0).unwrap();
    assert_eq!((record.earliest_unix_nanos, record.latest_unix_nanos), (100, 300));
    assert_eq!(index.head().spans, 1 + 1 + 1 + 1 + 3 + 2000);
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

#[test]
fn the_spans_of_one_trace_keep_their_resources_and_scopes() {
    let spans = [span(1), span(2), span(1)];
    let bytes = request(&[("shop", &spans), ("cart", &[span(2)]), ("", &[span(1)])]);
    let mut out = Vec::new();
    assert_eq!(extract_trace(&bytes, 1u128.to_be_bytes(), &mut out), Ok(3));
    assert_eq!(out, request(&[("shop", &[span(1), span(1)]), ("", &[span(1)])]));
    assert_eq!(extract_trace(&bytes, 3u128.to_be_bytes(), &mut out), Ok(0));
    // Several records make one request.
    assert_eq!(extract_trace(&bytes, 2u128.to_be_bytes(), &mut out), Ok(2));
    assert_eq!(TraceRequest::new(&out).count_spans(), Ok(5));
    assert!(extract_trace(&[0x0a, 5, 0], [0; 16], &mut out).is_err());
}

#[test]
fn schema_urls_and_scopes_are_preserved() {
    let mut bytes = Vec::new();
    put_message(&mut bytes, 0x0a, |group| {
        put_message(group, 0x12, |scope| {
            put_message(scope, 0x12, |span| put_bytes(span, 0x0a, &[1; 16]));
            put_bytes(scope, 0x1a, b"https://example.test/spans");
            put_message(scope, 0x0a, |scope| put_bytes(scope, 0x0a, b"library"));
        });
        put_bytes(group, 0x1a, b"https://example.test/resource");
    });
    let mut out = Vec::new();
    assert_eq!(extract_trace(&bytes, [1; 16], &mut out), Ok(1));
    let resource = TraceRequest::new(&out).resources().next().unwrap().unwrap();
    assert_eq!(resource.schema_url(), Ok("https://example.test/resource"));
    let scope = resource.scopes().next().unwrap().unwrap();
    assert_eq!(
        (scope.name(), scope.schema_url()),
        (Ok("library"), Ok("https://example.test/spans"))
    );
}

#[test]
fn malformed_requests_are_records_without_findable_spans() {
    let mut builder = IndexBuilder::new(SEED);
    for (number, bytes) in [&b""[..], b"\xff", &[0x0a, 200], &[0x0a, 2, 0x12, 9]].iter().enumerate()
    {
        let facts = add(&mut builder, number as u32, bytes);
        assert_eq!((facts.spans(), facts.latest_unix_nanos()), (0, 0));
    }
    let sealed: SealedIndex = builder.seal(SEGMENT);
    assert!(sealed.pages.is_empty());
    let file = sealed.into_bytes();
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    assert_eq!(find(&index, &file, 1).unwrap(), (vec![], 0));
    assert_eq!(index.find_records(&RecordQuery::default()), [0, 1, 2, 3]);
}

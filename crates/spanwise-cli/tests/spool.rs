//! `spanwise spool`: its answers about a spool that a process wrote, in words and as JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use spanwise_receiver::{Answer, Receiver};
use spanwise_spool::boot_ledger::{
    BootIdentity, BootLedger, FILE_NAME, Precision, PreviousRun, SpanCounts,
};
use spanwise_spool::storage::DirectoryStorage;
use spanwise_spool::{RecordQuery, Spool};
use spanwise_wire::json::to_protobuf;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use support::{TemporaryFile, output, spanwise};

/// Two requests, of two services; one trace is in both.
const REQUESTS: [&str; 2] = [
    r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"spans": [
          {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000a1", "name": "GET /cart",
           "kind": 2, "startTimeUnixNano": "1795964645000000000", "endTimeUnixNano": "1795964645012500000"},
          {"traceId": "000000000000000000000000000000b2", "spanId": "00000000000000b1", "name": "GET /\u001b[31m",
           "kind": 2, "startTimeUnixNano": "1795964646000000000", "endTimeUnixNano": "1795964646000001000",
           "status": {"code": 2, "message": "no\nstock"}}]}]}]}"#,
    r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]},
        "scopeSpans": [{"spans": [
          {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000a2",
           "parentSpanId": "00000000000000a1", "name": "SELECT",
           "kind": 3, "startTimeUnixNano": "1795964645001000000", "endTimeUnixNano": "1795964645002000000",
           "status": {"code": 1}}]}]}]}"#,
];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The directory of a spool. Its drop removes it.
struct Directory {
    path: PathBuf,
    _folder: TemporaryFile,
}

impl Directory {
    fn new() -> Self {
        let folder = TemporaryFile::new("x", "");
        Self { path: folder.0.with_file_name("spool"), _folder: folder }
    }

    fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn open(&self) -> Spool<DirectoryStorage> {
        Spool::builder().open(&self.path).unwrap().0
    }

    fn segment(&self) -> PathBuf {
        self.path.join("0000000000000000.segment")
    }
}

/// One test at a time: a child that another test starts has the descriptor of the lock until it executes the command.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A spool with the requests, each in a record.
fn filled() -> Directory {
    let directory = Directory::new();
    let mut spool = directory.open();
    for (json, spans) in REQUESTS.iter().zip([2, 1]) {
        let mut request = Vec::new();
        to_protobuf(json.as_bytes(), 1 << 20, &mut request).unwrap();
        spool.append(SystemTime::now(), &request, spans).unwrap();
    }
    spool.sync(SystemTime::now()).unwrap();
    directory
}

fn run(words: &str, directory: &Directory, options: &[&str]) -> (i32, String) {
    let words: Vec<_> = words.split(' ').chain([directory.text()]).collect();
    spanwise(&[&words[..], options].concat(), &[])
}

fn json(words: &str, directory: &Directory, options: &[&str]) -> (i32, Value) {
    let (status, text) = run(words, directory, &[options, &["--json"]].concat());
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[test]
fn ls_and_stats_print_segments_and_sums() {
    let _alone = alone();
    let directory = filled();
    let bytes = directory.segment().metadata().unwrap().len();
    let (status, text) = run("spool ls", &directory, &[]);
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((status, rows.len()), (0, 2), "{text}");
    assert_eq!(rows[0][..5], ["SEGMENT", "STATE", "SPANS", "ACKNOWLEDGED", "RECORDS"]);
    assert_eq!(rows[1][..6], ["0", "open", "3", "0", "2", &bytes.to_string()], "{text}");
    let times = ["2026-11-29T15:04:05Z", "2026-11-29T15:04:06Z", "missing", "-"];
    assert!(rows[1].ends_with(&times), "{text}");
    let (status, report) = json("spool ls", &directory, &[]);
    let segment = &report["segments"][0];
    assert_eq!((status, &segment["state"], &segment["spans"]), (0, &"open".into(), &3.into()));
    assert_eq!((&segment["bytes"], &segment["index"]["state"]), (&bytes.into(), &"missing".into()));
    // A start completes the segment, and a search makes its index.
    let mut spool = directory.open();
    assert_eq!(spool.find_records(&RecordQuery::default()).records.len(), 2);
    drop(spool);
    let (status, text) = run("spool ls", &directory, &[]);
    assert!(
        status == 0 && text.contains("complete") && text.ends_with("usable  shop, cart\n"),
        "{text}"
    );
    let (status, text) = run("spool stats", &directory, &[]);
    assert_eq!(status, 0);
    for line in [
        "segments  1, of which 1 complete",
        "records   2",
        "spans     3, of which 0 acknowledged; 0 not found",
        "times     2026-11-29T15:04:05.000000000Z to 2026-11-29T15:04:06.000001000Z",
        "services  cart, shop",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
    let (_, sums) = json("spool stats", &directory, &[]);
    assert_eq!(
        (&sums["spans"], &sums["records"], &sums["indexes"]),
        (&3.into(), &2.into(), &1.into())
    );
    assert_eq!(sums["services"], serde_json::json!(["cart", "shop"]));
}

#[test]
fn find_prints_the_spans_of_a_trace_by_start() {
    let _alone = alone();
    let directory = filled();
    let expected = "\
2026-11-29T15:04:05.000000000Z  12.5ms  shop  \"GET /cart\"  trace 0af7651916cd43dd8448eb211c80319c span 00000000000000a1
2026-11-29T15:04:05.001000000Z  1ms  cart  \"SELECT\"  trace 0af7651916cd43dd8448eb211c80319c span 00000000000000a2 parent 00000000000000a1 ok
2 spans of trace 0af7651916cd43dd8448eb211c80319c in 2 records
";
    assert_eq!(run("spool find", &directory, &[TRACE]), (0, expected.to_owned()));
    // The lock of another process does not matter.
    let spool = directory.open();
    assert_eq!(run("spool find", &directory, &[TRACE]), (0, expected.to_owned()));
    drop(spool);
    let (status, report) = json("spool find", &directory, &[TRACE]);
    let groups = report["resourceSpans"].as_array().unwrap();
    assert_eq!((status, groups.len()), (0, 2));
    assert_eq!(groups[1]["scopeSpans"][0]["spans"][0]["name"], "SELECT");
    let (status, text) = run("spool find", &directory, &["000000000000000000000000000000ff"]);
    let none = "0 spans of trace 000000000000000000000000000000ff in 0 records\n";
    assert_eq!((status, text.as_str()), (1, none));
}

#[test]
fn find_prints_the_spans_of_a_service_and_a_time() {
    let _alone = alone();
    let directory = filled();
    let (status, text) = run("spool find", &directory, &["--service", "shop"]);
    assert!(status == 0 && text.ends_with("2 spans found; 1 record read\n"), "{text}");
    let line = "2026-11-29T15:04:06.000000000Z  1µs  shop  \"GET /\\u{1b}[31m\"  trace 000000000000000000000000000000b2 \
                span 00000000000000b1 error: no\\nstock";
    assert!(text.lines().any(|it| it == line) && !text.contains('\u{1b}'), "{text}");
    let until = ["--until", "2026-11-29T15:04:05.5Z"];
    let (_, text) = run("spool find", &directory, &until);
    assert!(text.ends_with("2 spans found; 2 records read\n"), "{text}");
    let (_, text) = run("spool find", &directory, &["--service=shop", until[0], until[1]]);
    assert!(text.ends_with("1 span found; 1 record read\n"), "{text}");
    let (status, text) = run("spool find", &directory, &["--since", "2026-11-29T15:04:07Z"]);
    assert_eq!((status, text.as_str()), (1, "0 spans found; 0 records read\n"));
    let (_, text) =
        run("spool find", &directory, &["--since", "2026-11-29T00:00:00Z", "--limit", "1"]);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.ends_with("3 spans found; 2 records read\n2 further spans not shown: --limit is 1\n"),
        "{text}"
    );
    let (_, report) = json("spool find", &directory, &["--service", "cart"]);
    assert_eq!(report["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"], "SELECT");
}

#[test]
fn verify_names_each_damaged_record_with_its_spans() {
    let _alone = alone();
    let directory = filled();
    let intact = "1 segment, 2 records and 3 spans are intact\n";
    assert_eq!(run("spool verify", &directory, &[]), (0, intact.to_owned()));
    let mut bytes = std::fs::read(directory.segment()).unwrap();
    // In the payload of the first record.
    bytes[64 + 80 + 9] ^= 1;
    std::fs::write(directory.segment(), &bytes).unwrap();
    let expected = "\
0000000000000000.segment: record 0: the checksum of the payload does not match (2 spans)
1 segment, 1 record and 1 span are intact; 1 record with 2 spans cannot be read
";
    assert_eq!(run("spool verify", &directory, &[]), (1, expected.to_owned()));
    let (status, report) = json("spool verify", &directory, &[]);
    assert_eq!(
        (status, &report["is_intact"], &report["damaged_spans"]),
        (1, &false.into(), &2.into())
    );
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["damage"], &problem["record"], &problem["spans"]),
        (&"checksum".into(), &0.into(), &2.into())
    );
    let (status, text) = run("spool find", &directory, &[TRACE]);
    assert!(status == 0 && text.contains("1 span of trace"), "{text}");
    bytes.fill(0);
    std::fs::write(directory.segment(), &bytes).unwrap();
    let (status, text) = run("spool verify", &directory, &[]);
    assert_eq!(status, 1);
    assert!(
        text.starts_with("0000000000000000.segment: the segment has no valid record\n"),
        "{text}"
    );
    let (status, text) = run("spool ls", &directory, &[]);
    assert!(
        status == 1 && text.ends_with("0000000000000000.segment: it has no valid record\n"),
        "{text}"
    );
}

#[test]
fn replay_sends_the_records_and_removes_them() {
    let _alone = alone();
    let directory = filled();
    let (receiver, collected) = Receiver::collecting().unwrap();
    let endpoint = receiver.http_endpoint();
    let before = std::fs::read(directory.segment()).unwrap();
    let options = ["--endpoint", &endpoint, "--dry-run"];
    let (status, text) = run("replay", &directory, &options);
    let expected = format!("would be sent to {endpoint}/v1/traces; nothing was sent\n");
    assert!(status == 0 && text.starts_with("3 spans in 1 segment, "), "{text}");
    assert!(text.ends_with(&expected), "{text}");
    let (status, report) = json("replay", &directory, &options);
    assert_eq!(
        (status, &report["unsent_spans"], &report["unreadable_spans"]),
        (0, &3.into(), &0.into())
    );
    assert_eq!((collected.spans(), std::fs::read(directory.segment()).unwrap()), (0, before));
    let (status, text) = run("spool replay", &directory, &["--endpoint", &endpoint]);
    assert_eq!(
        (status, text),
        (0, format!("3 spans in 2 records sent to {endpoint}/v1/traces; 0 left\n"))
    );
    assert_eq!(collected.spans(), 3);
    assert!(!directory.segment().exists());
    let (status, text) = run("spool ls", &directory, &[]);
    assert_eq!((status, text.as_str()), (0, "no segments\n"));
    let (status, report) = json("spool replay", &directory, &["--endpoint", &endpoint]);
    assert_eq!((status, &report["sent_spans"], &report["stopped"]), (0, &0.into(), &Value::Null));
}

#[test]
fn replay_notes_what_it_delivered_for_the_next_start() {
    let _alone = alone();
    let directory = filled();
    let mut storage = DirectoryStorage::open(&directory.path).unwrap();
    let precision = Precision::Interval(Duration::from_secs(1));
    let (ledger, _) = BootLedger::open(&mut storage, BootIdentity::current(), precision).unwrap();
    let counts = SpanCounts { created: 4, exported: 1, spooled: 3, ..SpanCounts::default() };
    ledger.close(SystemTime::now(), &counts).unwrap();
    drop(storage);
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let endpoint = receiver.http_endpoint();
    assert_eq!(run("spool replay", &directory, &["--endpoint", &endpoint]).0, 0);
    let noted = std::fs::read(directory.path.join(FILE_NAME)).unwrap();
    let counts = SpanCounts { exported: 4, spooled: 0, ..counts };
    assert_eq!(PreviousRun::from_bytes(&noted), PreviousRun::Clean(counts));
}

#[test]
fn replay_leaves_what_is_not_accepted() {
    let _alone = alone();
    let directory = filled();
    let refuse = |_| Answer::Refuse {
        http_status: 400,
        grpc_code: 3,
        message: "no such tenant".to_owned(),
        retry_after: None,
    };
    let receiver = Receiver::builder().with_handler(refuse).start().unwrap();
    let endpoint = receiver.http_endpoint();
    let (status, text) = run("spool replay", &directory, &["--endpoint", &endpoint]);
    assert!(
        status == 1
            && text.contains("400 Bad Request: no such tenant")
            && text.ends_with("; 3 left\n"),
        "{text}"
    );
    let (status, text) =
        run("spool replay", &directory, &["--endpoint", &endpoint, "--skip-rejected"]);
    assert!(status == 1 && text.ends_with("; 0 left; 3 rejected\n"), "{text}");
    assert!(!directory.segment().exists());
}

#[test]
fn replay_needs_the_lock_and_an_existing_directory() {
    let _alone = alone();
    let directory = filled();
    let spool = directory.open();
    let (status, text) = run("spool replay", &directory, &[]);
    let path = directory.text();
    let expected = format!(
        "the spool directory {path} is locked by another process: each process needs a directory of its own; end the \
         process that has it, or read it with `spanwise spool find`\n"
    );
    assert_eq!((status, text), (1, expected));
    drop(spool);
    let missing = Directory::new();
    let (status, text) = run("spool replay", &missing, &[]);
    let expected = format!("{} is no directory: name the directory of a spool\n", missing.text());
    assert_eq!((status, text), (1, expected));
    assert!(!missing.path.exists(), "the command creates no directory");
    for words in ["spool ls", "spool stats", "spool verify", "spool find"] {
        let options: &[&str] = if words == "spool find" { &[TRACE] } else { &[] };
        let (status, text) = run(words, &missing, options);
        let expected = format!("the spool directory {} cannot be used: ", missing.text());
        assert!(status == 1 && text.starts_with(&expected), "{text}");
        let (status, report) = json(words, &missing, options);
        assert!(
            status == 1 && report["error"].as_str().unwrap().starts_with(&expected),
            "{report}"
        );
    }
}

#[test]
fn arguments_that_are_not_accepted_are_named_with_their_value() {
    let _alone = alone();
    for (line, problem) in [
        ("spool ls", "`spool ls` needs the directory of a spool"),
        ("spool ls a b", "unexpected argument `b`"),
        ("spool ls a b c", "unexpected argument `c`"),
        ("spool lss a", "no command `spool lss`; did you mean `spool ls`?"),
        ("spool find a", "`spool find` needs a trace id, or one of --service, --since and --until"),
        (
            "spool find a 123",
            "trace id `123`: 32 hexadecimal digits are accepted, not all of them 0",
        ),
        (
            "spool find a --since soon",
            "--since `soon`: an age such as 90s, 15m, 2h or 3d is accepted, or a time such as 2026-11-29T15:04:05Z",
        ),
        (
            "spool find a --service b --limit 0",
            "--limit `0`: a number of spans from 1 to 1000000 is accepted",
        ),
        (
            "spool find a --since 1h --until 2h",
            "--since is later than --until: the earlier time is `--since`",
        ),
        (
            "spool find a 0af7651916cd43dd8448eb211c80319c --limit 3",
            "`spool find` with a trace id has none of --service, --since, --until and --limit: it prints all spans of the trace",
        ),
        ("spool ls a --endpoint b", "`spool ls` has no option `--endpoint`"),
        ("spool replay a --service b", "`spool replay` has no option `--service`"),
        ("spool replay a --endpont b", "invalid option '--endpont'; did you mean `--endpoint`?"),
        ("doctor --endpoint b", "`doctor` has no option `--endpoint`"),
    ] {
        let output = output(&line.split(' ').collect::<Vec<_>>(), &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert_eq!(error.lines().next(), Some(format!("spanwise: {problem}").as_str()));
    }
}

//! Requests as lines of OTLP/JSON, in a file and on the standard output.

#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use peer::request;
use spanwise_transport::{
    Delivery, Failure, FileSink, FileSinkBuilder, FileSinkError, Outcome, Transport,
};
use spanwise_wire::json;

/// A path of its own, removed at the end.
struct TemporaryPath(PathBuf);

impl TemporaryPath {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("spanwise-file-sink-{}-{count}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        let text = fs::read(&self.0).unwrap();
        assert!(text.is_empty() || text.ends_with(b"\n"));
        text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

impl AsRef<Path> for TemporaryPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        let _missing = fs::remove_file(&self.0);
    }
}

fn transport(sink: FileSinkBuilder) -> Transport {
    Transport::builder().with_sink(sink.build().unwrap()).build().unwrap()
}

async fn send(transport: &Transport, spans: usize) -> Delivery {
    transport.send(request(spans)).await
}

/// The line of a request.
fn line(spans: usize) -> Vec<u8> {
    let mut line = Vec::new();
    json::from_protobuf(&request(spans), usize::MAX, &mut line).unwrap();
    line.push(b'\n');
    line
}

#[tokio::test]
async fn each_request_is_a_line() {
    let path = TemporaryPath::new();
    let transport_ = transport(FileSink::builder().with_path(&path.0));
    let mut all = Vec::new();
    for spans in [0, 1, 500, 3] {
        assert!(send(&transport_, spans).await.is_accepted());
        all.push(line(spans));
    }
    assert_eq!(path.lines(), all);
    // Another sink appends.
    assert!(send(&transport(FileSink::builder().with_path(&path.0)), 2).await.is_accepted());
    all.push(line(2));
    assert_eq!(path.lines(), all);
    let mut protobuf = Vec::new();
    json::to_protobuf(&all[2], usize::MAX, &mut protobuf).unwrap();
    assert_eq!(protobuf, request(500)[..]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn concurrent_requests_do_not_mix() {
    let path = TemporaryPath::new();
    let transport = transport(FileSink::builder().with_path(&path.0));
    let sends = (0..20).map(|at| {
        let transport = transport.clone();
        tokio::spawn(async move { transport.send(request(at * 20)).await.is_accepted() })
    });
    for sent in sends.collect::<Vec<_>>() {
        assert!(sent.await.unwrap());
    }
    let mut lines = path.lines();
    lines.sort();
    let mut expected: Vec<_> = (0..20).map(|at| line(at * 20)).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_full_file_refuses_requests_until_it_has_space() {
    let path = TemporaryPath::new();
    let max = line(3).len() as u64 * 2;
    let transport = transport(FileSink::builder().with_path(&path.0).with_max_file_bytes(max));
    for _ in 0..2 {
        assert!(send(&transport, 3).await.is_accepted());
    }
    let delivery = send(&transport, 1).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
    assert!(!delivery.may_have_been_accepted());
    let cause = &delivery.cause;
    assert!(cause.contains("with_max_file_bytes") && cause.contains(&max.to_string()), "{cause}");
    assert_eq!(path.lines(), [line(3), line(3)]);
    fs::write(&path, "").unwrap();
    assert!(send(&transport, 1).await.is_accepted());
    assert_eq!(path.lines(), [line(1)]);
}

#[tokio::test]
async fn a_file_that_was_removed_or_renamed_is_created_again() {
    let (path, renamed) = (TemporaryPath::new(), TemporaryPath::new());
    let transport = transport(FileSink::builder().with_path(&path.0));
    assert!(send(&transport, 1).await.is_accepted());
    fs::remove_file(&path).unwrap();
    assert!(send(&transport, 2).await.is_accepted());
    assert_eq!(path.lines(), [line(2)]);
    fs::rename(&path, &renamed).unwrap();
    assert!(send(&transport, 3).await.is_accepted());
    assert_eq!((path.lines(), renamed.lines()), (vec![line(3)], vec![line(2)]));
    fs::rename(&path, &renamed).unwrap();
    fs::write(&path, "").unwrap();
    assert!(send(&transport, 4).await.is_accepted());
    assert_eq!((path.lines(), renamed.lines()), (vec![line(4)], vec![line(3)]));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let delivery = send(&transport, 5).await;
    fs::remove_dir(&path).unwrap();
    assert!(delivery.cause.contains("no regular file"), "{delivery}");
    assert!(send(&transport, 6).await.is_accepted());
    assert_eq!(path.lines(), [line(6)]);
}

#[test]
fn a_sink_has_the_name_of_its_file() {
    let path = TemporaryPath::new();
    let name = transport(FileSink::builder().with_path(&path.0)).destination();
    assert_eq!(name, path.0.display().to_string());
}

#[tokio::test]
async fn bytes_that_are_not_protobuf_are_no_line() {
    let path = TemporaryPath::new();
    let transport = transport(FileSink::builder().with_path(&path.0));
    let delivery = transport.send(b"\x0a\x05ab".to_vec()).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
    assert!(delivery.cause.contains("no OTLP protobuf"), "{delivery}");
    assert!(send(&transport, 1).await.is_accepted());
    assert_eq!(path.lines(), [line(1)]);
}

#[test]
fn a_path_that_cannot_be_used_is_an_error_at_build() {
    let missing = std::env::temp_dir().join("spanwise-no-such\nfolder/traces.jsonl");
    for path in [&*std::env::temp_dir(), &missing, Path::new(""), Path::new("/dev/null")] {
        let error = FileSink::builder().with_path(path).build().unwrap_err();
        assert!(matches!(error, FileSinkError::Path { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("with_path=`") && text.contains("accepted is"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
    let error = FileSink::builder().with_max_file_bytes(0).build().unwrap_err();
    assert_eq!(error.to_string(), "with_max_file_bytes is 0; accepted is 1 or more");
}

#[test]
fn the_memory_of_a_line_is_stated() {
    let path = TemporaryPath::new();
    let transport = transport(FileSink::builder().with_path(&path.0));
    assert!(transport.compressed_bound(1 << 20) >= 6 << 20);
}

/// Processes whose standard output, limits and threads are their own.
#[cfg(unix)]
mod children {
    use super::*;
    use spanwise_testkit::rerun;
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;
    use std::time::Duration;

    const ROLE: &str = "SPANWISE_FILE_SINK_ROLE";
    const PATH: &str = "SPANWISE_FILE_SINK_PATH";
    const READY: &str = "ready";

    fn run_child(role: &str, path: &Path, stdout: Stdio) -> std::process::Child {
        rerun("children::child").env(ROLE, role).env(PATH, path).stdout(stdout).spawn().unwrap()
    }

    #[test]
    fn the_standard_output_gets_lines() {
        let path = TemporaryPath::new();
        let child = run_child("stdout", path.as_ref(), Stdio::piped());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("{\"")).collect();
        assert_eq!(lines.len(), 2, "{text}");
        for (spans, found) in [3, 500].into_iter().zip(lines) {
            assert_eq!(format!("{found}\n").as_bytes(), line(spans));
        }
    }

    #[test]
    fn a_closed_pipe_fails_requests_without_a_signal() {
        let path = TemporaryPath::new();
        let mut child = run_child("closed", path.as_ref(), Stdio::piped());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // The harness writes no more until the end.
        assert!(stdout.lines().any(|line| line.unwrap() == READY));
        fs::write(&path, "closed").unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_full_disk_leaves_no_incomplete_line() {
        let path = TemporaryPath::new();
        let child = run_child("full", path.as_ref(), Stdio::null());
        assert!(child.wait_with_output().unwrap().status.success());
        assert_eq!(path.lines(), [line(3), line(1)]);
    }

    #[test]
    fn a_forked_child_writes_too() {
        let path = TemporaryPath::new();
        let child = run_child("fork", path.as_ref(), Stdio::null());
        assert!(child.wait_with_output().unwrap().status.success());
        assert_eq!(path.lines(), [line(1), line(2), line(3)]);
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(future)
    }

    /// Does nothing unless it is the child.
    #[test]
    fn child() {
        let Ok(role) = std::env::var(ROLE) else { return };
        let path = PathBuf::from(std::env::var_os(PATH).unwrap());
        let to_path = || transport(FileSink::builder().with_path(&path));
        match role.as_str() {
            "stdout" => {
                let transport = transport(FileSink::builder());
                // The harness has begun a line.
                println!();
                for spans in [3, 500] {
                    assert!(block_on(send(&transport, spans)).is_accepted());
                }
            }
            "closed" => {
                // SAFETY: no handler is installed, and no other thread of this process changes signals.
                unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
                let transport = transport(FileSink::builder());
                println!("\n{READY}");
                while !path.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // A process that another test starts at this instant holds the other end until its program begins.
                let patience = std::time::Instant::now() + Duration::from_secs(20);
                while block_on(send(&transport, 1)).is_accepted() {
                    assert!(std::time::Instant::now() < patience);
                }
                for _ in 0..3 {
                    let delivery = block_on(send(&transport, 1));
                    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
                    let cause = &delivery.cause;
                    assert!(cause.starts_with("the standard output cannot be written"), "{cause}");
                }
                // The harness would write its result into the pipe.
                std::process::exit(0);
            }
            "full" => {
                let transport = to_path();
                assert!(block_on(send(&transport, 3)).is_accepted());
                let limit = |bytes| {
                    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
                    // SAFETY: the limit is a valid struct; without a handler the signal is ignored.
                    unsafe {
                        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
                    }
                };
                limit(line(3).len() as u64 + 20);
                let delivery = block_on(send(&transport, 3));
                assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
                assert!(delivery.cause.contains("cannot be written: File too large"), "{delivery}");
                limit(libc::RLIM_INFINITY);
                assert!(block_on(send(&transport, 1)).is_accepted());
            }
            "fork" => {
                let transport = to_path();
                assert!(block_on(send(&transport, 1)).is_accepted());
                // SAFETY: the child calls what a child of a process with threads should not, but its
                // only other thread is the sink's, which waits for a job.
                let pid = unsafe { libc::fork() };
                if pid == 0 {
                    let written = block_on(send(&transport, 2)).is_accepted();
                    drop(transport);
                    // SAFETY: ends the child without the destructors of the parent.
                    unsafe { libc::_exit(i32::from(!written)) };
                }
                let mut status = 0;
                // SAFETY: waits for our own child.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                assert_eq!(status, 0);
                assert!(block_on(send(&transport, 3)).is_accepted());
            }
            _ => panic!("{role}"),
        }
    }
}

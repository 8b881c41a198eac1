//! A receiver on a Unix socket.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwise_receiver::{Limits, Receiver, StartError};
use spanwise_testkit::{in_forked_child, rerun};
use support::raw::{PATIENCE, SETTINGS, frame, grpc_export, head, preface};
use support::*;

/// A path in a folder of its own, which the drop removes.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder.join("otel.sock"))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn start(path: &Path) -> Result<Receiver, StartError> {
    Receiver::builder().with_unix_socket(path).start()
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Exports one span over HTTP/1 and returns the status line of the answer.
fn export(path: &Path) -> String {
    let mut stream = connect(path);
    let body = request(1, "x").1;
    let head = head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn both_protocols_work_and_the_file_is_removed_at_the_end() {
    let path = SocketPath::new("both");
    let receiver = start(&path.0).unwrap();
    assert_eq!(receiver.http_endpoint(), format!("unix:{}", path.0.display()));
    assert_eq!(receiver.unix_path(), Some(&*path.0));
    assert_eq!(receiver.address().port(), 0);
    assert_eq!(export(&path.0), "HTTP/1.1 200 OK");
    let mut http2 = connect(&path.0);
    http2.write_all(&[preface(), grpc_export(1, &request(1, "y").1)].concat()).unwrap();
    let mut first = [0; 9];
    http2.read_exact(&mut first).unwrap();
    assert_eq!(first[3], frame(SETTINGS, 0, 0, &[])[3]);
    let start = std::time::Instant::now();
    while receiver.stats().spans < 2 {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(http2);
    receiver.shutdown();
    assert!(!path.0.exists());
}

#[test]
fn a_socket_without_a_listener_is_replaced_and_one_with_a_listener_is_not() {
    let path = SocketPath::new("left");
    drop(UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let receiver = start(&path.0).unwrap();
    assert_eq!(export(&path.0), "HTTP/1.1 200 OK");
    let error = start(&path.0).unwrap_err();
    assert!(matches!(error, StartError::BindUnix { .. }), "{error}");
    let text = format!("cannot listen on unix:{}: a process listens there", path.0.display());
    assert_eq!(error.to_string(), text);
    assert_eq!(export(&path.0), "HTTP/1.1 200 OK");
    drop(receiver);
    assert!(!path.0.exists());
    // A file of another kind is left as it is.
    std::fs::write(&path.0, "mine").unwrap();
    let error = start(&path.0).unwrap_err().to_string();
    assert!(error.ends_with(": a file that is no socket has this path"), "{error}");
    assert_eq!(std::fs::read(&path.0).unwrap(), b"mine");
}

#[test]
fn a_file_that_another_process_put_there_is_left_as_it_is() {
    let path = SocketPath::new("other");
    let receiver = start(&path.0).unwrap();
    std::fs::remove_file(&path.0).unwrap();
    let other = start(&path.0).unwrap();
    drop(receiver);
    assert_eq!(export(&path.0), "HTTP/1.1 200 OK");
    drop(other);
    assert!(!path.0.exists());
}

#[test]
fn a_path_that_cannot_be_bound_is_an_error_and_leaves_no_file() {
    let path = SocketPath::new("bad");
    let missing = path.0.with_file_name("no/such/folder");
    let long = path.0.with_file_name("x".repeat(200));
    let below_a_file = path.0.with_file_name("file/otel.sock");
    std::fs::write(below_a_file.parent().unwrap(), "mine").unwrap();
    for (path, problem) in [
        (&missing, "No such file or directory"),
        (&below_a_file, "Not a directory"),
        (&long, "bytes, and the most is 103 or 107"),
        (&PathBuf::new(), "the path is empty"),
        (&path.0.with_file_name("a\0b"), "null bytes"),
    ] {
        let error = start(path).unwrap_err();
        assert!(matches!(error, StartError::BindUnix { .. }), "{error}");
        assert!(error.to_string().contains(problem), "{error}");
        assert!(!path.exists());
    }
    let limits = Limits::default().with_connections(0);
    let builder = Receiver::builder().with_unix_socket(&path.0).with_limits(limits);
    assert!(builder.start().is_err());
    assert!(!path.0.exists());
}

#[test]
fn a_forked_child_leaves_the_file_to_its_parent() {
    let path = SocketPath::new("fork");
    let receiver = start(&path.0).unwrap();
    let mut receiver = Some(receiver);
    in_forked_child(|_| drop(receiver.take()));
    assert_eq!(export(&path.0), "HTTP/1.1 200 OK");
}

#[test]
fn the_time_of_headers_holds() {
    let path = SocketPath::new("slow");
    let limits = Limits::default().with_header_timeout(Duration::from_millis(50));
    let receiver = Receiver::builder().with_unix_socket(&path.0).with_limits(limits);
    let _receiver = receiver.start().unwrap();
    for bytes in [&b""[..], b"P", b"POST /v1/traces HTTP/1.1\r\nx"] {
        let mut stream = connect(&path.0);
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        // Bytes that the receiver did not read make the close a reset.
        let reset = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(closed.map_or_else(reset, |_| true), "{bytes:?}");
    }
}

#[test]
fn the_file_of_a_relative_path_is_removed_from_another_folder_too() {
    const NAME: &str = "the_file_of_a_relative_path_is_removed_from_another_folder_too";
    let path = SocketPath::new("relative");
    // In a process of its own: the current folder is that of all threads.
    let Some(folder) = std::env::var_os(FOLDER) else {
        let status = rerun(NAME).env(FOLDER, path.0.parent().unwrap()).status().unwrap();
        assert!(status.success());
        return;
    };
    std::env::set_current_dir(&folder).unwrap();
    let receiver = start(Path::new("relative.sock")).unwrap();
    std::env::set_current_dir("/").unwrap();
    let file = Path::new(&folder).join("relative.sock");
    assert!(file.exists());
    drop(receiver);
    assert!(!file.exists());
}

#[test]
fn connections_without_bytes_have_one_descriptor_each() {
    let path = SocketPath::new("descriptors");
    let receiver = start(&path.0).unwrap();
    let open = || std::fs::read_dir("/dev/fd").unwrap().count();
    let before = open();
    let silent: Vec<_> = (0..100).map(|_| connect(&path.0)).collect();
    let start = std::time::Instant::now();
    while receiver.stats().connections < 100 {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
    // Both ends are in this process, and other tests have descriptors meanwhile.
    let opened = open().saturating_sub(before);
    assert!(opened < 250, "{opened}");
    drop(silent);
}

#[test]
fn a_folder_without_permission_is_an_error_and_left_as_it_is() {
    let path = SocketPath::new("permission");
    let folder = path.0.parent().unwrap();
    let left = path.0.with_file_name("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    let allow = |mode| std::fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    in_forked_child(|output| {
        // root may do anything; 65534 is a user without permissions.
        // SAFETY: the child has one thread.
        unsafe { libc::setuid(65534) };
        for path in [&path.0, &left] {
            let error = start(path).unwrap_err().to_string();
            _ = output.write_all(error.as_bytes());
            assert!(error.contains("Permission denied") && error.contains(".sock"), "{error}");
        }
    });
    allow(0o755);
    assert!(left.exists() && !path.0.exists());
}

const FOLDER: &str = "SPANWISE_TEST_FOLDER";

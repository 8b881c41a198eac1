//! Peers that are wrong in one way each, and the command's output.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod refusals;
pub mod situations;

use spanwise_receiver::Receiver;
use spanwise_testkit::Peer;
use spanwise_testkit::pki::{Authority, Template};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The exit status and the standard output of `spanwise` with these arguments and no other variables than these.
pub fn spanwise(arguments: &[&str], variables: &[(&str, String)]) -> (i32, String) {
    // A folder without a `Cargo.lock` above it.
    spanwise_in(&std::env::temp_dir(), arguments, variables)
}

/// As [`spanwise`], in `folder`.
pub fn spanwise_in(
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, String)],
) -> (i32, String) {
    let output = output_in(folder, arguments, variables);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The exit status, the standard output and the standard error.
pub fn output(arguments: &[&str], variables: &[(&str, String)]) -> Output {
    output_in(&std::env::temp_dir(), arguments, variables)
}

fn output_in(folder: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    command.args(arguments).env_clear().current_dir(folder);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

/// A peer that answers each request of HTTP/1.1 with `answer`, and closes.
pub fn answering(answer: impl Into<String>) -> Peer {
    let answer = answer.into();
    Peer::start(move |mut stream| {
        read_request(&mut stream);
        let _closed = stream.write_all(answer.as_bytes());
        end(&stream);
    })
    .unwrap()
}

/// A peer that sends `greeting` to each connection without reading.
pub fn greeting(greeting: &'static [u8]) -> Peer {
    Peer::start(move |mut stream| {
        let _closed = stream.write_all(greeting);
        end(&stream);
    })
    .unwrap()
}

/// An answer of HTTP/1.1.
pub fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Reads a head, and the body that its `content-length` states. Returns the head, in lower case.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut read, mut block) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return String::new(),
            Ok(len) => read.extend_from_slice(&block[..len]),
        }
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        if read.len() >= head + 4 + length.unwrap_or_default() {
            return text.get(..head).unwrap_or_default().to_owned();
        }
    }
}

/// Reads until the peer closes, and answers nothing.
fn wait_for_end(stream: &TcpStream) {
    let mut rest = Vec::new();
    let _closed = stream.take(1 << 20).read_to_end(&mut rest);
}

/// Waits for the end of the peer, so that unread bytes do not reset the connection.
fn end(stream: &TcpStream) {
    let _closed = stream.shutdown(std::net::Shutdown::Write);
    wait_for_end(stream);
}

/// A receiver over TLS with a certificate of `template`, and the file of the authority that issued it.
pub fn secure(template: &Template) -> (Receiver, TemporaryFile) {
    let authority = Authority::new("doctor").unwrap();
    let issued = authority.issue(template).unwrap();
    let receiver = Receiver::builder()
        .with_tls_pem(issued.certificate.into_bytes(), issued.key.into_bytes())
        .start()
        .unwrap();
    (receiver, TemporaryFile::new("ca.pem", &authority.certificate))
}

/// A file that its drop removes.
pub struct TemporaryFile(pub PathBuf);

impl TemporaryFile {
    pub fn new(name: &str, text: &str) -> Self {
        Self::of_bytes(name, text.as_bytes())
    }

    pub fn of_bytes(name: &str, bytes: &[u8]) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = format!("spanwise-cli-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub fn text(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _left_behind = self.0.parent().map(std::fs::remove_dir_all);
    }
}

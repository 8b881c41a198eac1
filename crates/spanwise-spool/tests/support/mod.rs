//! Requests and temporary directories.
#![allow(dead_code)] // Each test file uses a part.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A directory that is removed at the end of the test.
pub struct TempDirectory(PathBuf);

impl TempDirectory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("spanwise-spool-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The names of the segment files, sorted.
    pub fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "segment"));
        paths.sort();
        paths
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _not_found = std::fs::remove_dir_all(&self.0);
    }
}

/// A time of the tests.
pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// A request of `spans` spans, whose names differ by request.
pub fn request(number: u64, spans: u64) -> Vec<u8> {
    let spans = (0..spans).flat_map(|span| {
        let name = format!("span {number}.{span}");
        let start = (1_000 + number).to_le_bytes();
        let end = (2_000 + number).to_le_bytes();
        let fields = [
            message(1, &[&number.to_be_bytes()[..], &[7; 8]].concat()),
            message(2, &(span + 1).to_be_bytes()),
            message(5, name.as_bytes()),
            [vec![7 << 3 | 1], start.to_vec()].concat(),
            [vec![8 << 3 | 1], end.to_vec()].concat(),
            attribute("user_agent.original", AGENTS[(number % 4) as usize]),
            attribute("url.full", &format!("https://shop.example.com/api/v1/items/{number}")),
        ];
        message(2, &fields.concat())
    });
    message(1, &message(2, &spans.collect::<Vec<u8>>()))
}

/// A request of `spans` spans and at least `bytes` bytes that do not compress.
pub fn noise(spans: u64, bytes: usize) -> Vec<u8> {
    let mut state = spans.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes as u64;
    let noise: Vec<u8> = (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    // In a field of the first span that no reader knows.
    let mut request = request(spans, spans);
    request.extend_from_slice(&message(1, &message(15, &noise)));
    request
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    let value = message(2, &message(1, value.as_bytes()));
    message(9, &[message(1, key.as_bytes()), value].concat())
}

fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![field << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        message.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    message.push(len as u8);
    message.extend_from_slice(bytes);
    message
}

/// Opens the directory as a storage, for a start at a time of the test.
pub fn open(directory: &TempDirectory) -> spanwise_spool::storage::DirectoryStorage {
    spanwise_spool::storage::DirectoryStorage::open(directory.path()).unwrap()
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:131.0) Gecko/20100101 Firefox/131.0",
    "curl/8.10.1",
];

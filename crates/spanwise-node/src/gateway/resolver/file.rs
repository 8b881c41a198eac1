//! A file with the names of the peers.

use std::io::Read as _;
use std::path::PathBuf;

use spanwise_worker::__private::open_regular;

use super::names::{MAX_PEERS, check_name};
use super::source::Source;

/// A file with one `host:port` on each line. `#` begins a comment; lines without a name are left out. It is read at each look: an
/// editor, a link of Kubernetes and a network file system change a file in ways that its time does not show. A program that changes it
/// renames a new file over it, since a look may come while it writes.
pub(super) struct PeerFile {
    pub(super) path: PathBuf,
}

impl Source for PeerFile {
    fn names(&mut self) -> Result<Vec<String>, String> {
        let of_file = |problem: String| format!("{}: {problem}", self.path.display());
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            open_regular(&self.path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| of_file(error.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(of_file(format!("it has more than {MAX_BYTES} bytes")));
        }
        parse(&bytes).map_err(of_file)
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    let mut names = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let name = line.split('#').next().unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        if let Err(expected) = check_name(name) {
            return Err(format!("line {number}: {expected}"));
        }
        if names.iter().any(|other| other == name) {
            return Err(format!("line {number}: the peer `{name}` stands there twice"));
        }
        if names.len() == MAX_PEERS {
            return Err(format!("line {number}: accepted are at most {MAX_PEERS} peers"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// A thousand names of 253 bytes fit.
const MAX_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_on_each_line() {
        let names = parse(b"# samplers\n a:4317\r\n\nb:4317").unwrap();
        assert_eq!(names, ["a:4317", "b:4317"]);
        for (text, problem) in [
            (&b"a:1\nb c\n"[..], "line 2: "),
            (b"a:1\na:1\n", "line 2: the peer `a:1` stands there twice"),
            (b"http://a:1\n", "line 1: a host and a port are expected"),
            (b"a:1\na/b\n", "line 2: a host and a port are expected"),
            (b"\xff\n", "it is no UTF-8"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn mistakes_of_the_file_are_problems_with_its_path() {
        let folder = std::env::temp_dir().join(format!("spanwise-peers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("peers");
        let mut file = PeerFile { path: path.clone() };
        assert!(file.names().unwrap_err().contains("peers: "));
        std::fs::write(&path, "a:1\n").unwrap();
        assert_eq!(file.names(), Ok(vec!["a:1".to_owned()]));
        std::fs::write(&path, "a:1\nb:1\n").unwrap();
        assert_eq!(file.names(), Ok(vec!["a:1".to_owned(), "b:1".to_owned()]));
        std::fs::write(&path, vec![b'\n'; MAX_BYTES + 1]).unwrap();
        assert!(file.names().unwrap_err().contains("more than"));
        let mut file = PeerFile { path: folder.clone() };
        assert!(file.names().unwrap_err().contains("a folder"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! Mutations of valid files: each is an error with its place or a provider, soon, and shows no secret.

use crate::with_variables;
use spanwise_sdk::BuildError;
use spanwise_testkit::SplitMix64;
use spanwise_testkit::pki::{Authority, Template};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILES: usize = 10_000;
/// The halves of each secret: a mutation may change a byte of it.
const HALVES: [&str; 2] = ["hunter2", "canary"];
/// No host name may contain it: the host of an endpoint is shown.
const SECRET: &str = "hunter2^canary";
/// An unoptimized build on a loaded machine; a file costs about a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file whose values are secrets: written out, and of variables.
const SECRETS: &str = "\
file_format: \"1.1\"
resource:
  attributes:
    - {name: service.name, value: shop}
  attributes_list: \"a=b\"
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: http://user:hunter2canary@localhost:4318/v1/traces
            headers:
              - name: api-key
                value: hunter2canary
              - {name: authorization, value: \"Bearer ${SECRET}\"}
            headers_list: \"x-token=hunter2canary,x-other=${SECRET}\"
    - batch:
        exporter:
          otlp_http:
            endpoint: ${ADDRESS}
            headers_list: ${SECRET_LIST}
";

struct Mutator {
    noise: SplitMix64,
}

impl Mutator {
    fn below(&mut self, limit: usize) -> usize {
        (self.noise.next_u64() % limit.max(1) as u64) as usize
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn mutate(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            bytes = match self.below(12) {
                0..=3 => self.change_bytes(bytes),
                4..=8 => self.change_lines(&bytes),
                9 => self.change_encoding(bytes),
                10 => self.insert_bomb(bytes),
                _ => {
                    bytes.truncate(self.below(bytes.len()));
                    bytes
                }
            };
        }
        bytes
    }

    fn change_bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let byte = b" :-{}[]\n\t\"'#&*!|>%@`$,?~09aZ\r\0\xff\xc3"[self.below(32)];
            match self.below(4) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    }

    fn change_lines(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return bytes.to_vec();
        }
        let (at, other) = (self.below(lines.len()), self.below(lines.len()));
        let line = lines[at].clone();
        match (self.below(8), line.split_once(": ")) {
            (0, _) => lines.insert(other, line),
            (1, _) => drop(lines.remove(at)),
            (2, _) => lines[at] = format!("{}{line}", " ".repeat(self.below(4))),
            (3, _) => lines[at] = line.strip_prefix("  ").unwrap_or(&line).to_owned(),
            (4, _) => lines[at] = line.replacen("  ", "\t", 1),
            // A typo of the key.
            (5, Some((key, value))) => {
                let mut key: Vec<char> = key.chars().collect();
                let (left, right) = (self.below(key.len()), self.below(key.len()));
                key.swap(left, right);
                lines[at] = format!("{}: {value}", key.into_iter().collect::<String>());
            }
            // A value of another type.
            (6, Some((key, _))) => lines[at] = format!("{key}: {}", self.one_of(VALUES)),
            // The value of another line, unless it is a secret in the file: nothing shows that it is one there.
            (_, Some((key, _))) => {
                let value = lines[other].split_once(": ").map_or("", |(_, value)| value);
                if !HALVES.iter().any(|half| value.contains(half)) {
                    lines[at] = format!("{key}: {value}");
                }
            }
            (_, None) => lines.swap(at, other),
        }
        lines.join("\n").into_bytes()
    }

    fn change_encoding(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match self.below(5) {
            0 => [b"\xef\xbb\xbf", &*bytes].concat(),
            1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            3 => text.replace('\n', "\r\n").into_bytes(),
            _ => text.replace("  ", "\t").into_bytes(),
        }
    }

    /// Aliases that multiply, a cycle, deep nesting or a long text.
    fn insert_bomb(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        // The aliases cost a hundred times as much as the others.
        let bomb = match self.below(40) {
            0 => {
                let level = |level: usize| {
                    let below = format!("*a{}, ", level.max(1) - 1).repeat(10);
                    format!("a{level}: &a{level} [{}]\n", if level == 0 { "x" } else { &below })
                };
                (0..10).map(level).collect()
            }
            1..=13 => "cycle: &c [*c]\n".to_owned(),
            14..=22 => format!("deep: {}\n", "[".repeat(500)),
            23..=30 => format!("wide: [{}]\n", "x,".repeat(2_000)),
            _ => format!("long: {}\n", "v".repeat(20_000)),
        };
        match self.below(2) {
            0 => [bomb.as_bytes(), &bytes].concat(),
            _ => [&*bytes, b"\n", bomb.as_bytes()].concat(),
        }
    }
}

const VALUES: &[&str] = &[
    "true",
    "~",
    "",
    "-1",
    "0",
    "1.5",
    "1e999",
    ".nan",
    ".inf",
    "99999999999999999999999999999999999999999",
    "0x7fffffffffffffffffff",
    "[]",
    "{}",
    "[1, two]",
    "{a: {b: c}}",
    "\"\"",
    "''",
    "text",
    "|",
    "!!binary aGk=",
    "!!int x",
    "!x y",
    "&a x",
    "*a",
    "${",
    "${}",
    "${SECRET}",
    "${ADDRESS}",
    "$${SECRET}",
    "${SECRET:-x}",
    "${1}",
    "\u{202e}",
    "\u{feff}",
    "\"\\u0000\"",
    "none",
    "1Gi",
    "500m",
    "5s",
];

/// The files of the snippets, the production file, and one with secrets.
fn bases() -> Vec<String> {
    let snippets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_file/snippets");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(snippets).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap());
    // The secrets three times: a mutation of them matters most.
    let texts = texts.chain(std::iter::repeat_n(SECRETS.to_owned(), 3));
    texts.collect()
}

#[test]
fn no_mutation_of_a_file_panics_is_slow_or_shows_a_secret() {
    let directory = std::env::temp_dir().join(format!("spanwise-mutated-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let authority = Authority::new("clients").unwrap();
    let client = authority.issue(&Template::client("shop.test")).unwrap();
    for (name, text) in [
        ("ca.pem", &authority.certificate),
        ("client.pem", &client.certificate),
        ("client.key", &client.key),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let variables = [
        // By a variable, since a path in the text would make the mutations differ between runs.
        ("DIRECTORY", directory.to_str().unwrap()),
        ("SECRET", SECRET),
        ("SECRET_LIST", "x-token=hunter2canary"),
        ("ADDRESS", "http://user:hunter2canary@localhost:4318"),
        ("COLLECTOR", "https://localhost:4318"),
    ];
    let bases = bases();
    let mut mutator = Mutator { noise: SplitMix64::new(17) };
    let (mut errors, mut slowest) = (0, Duration::ZERO);
    for number in 0..FILES {
        let text = mutator.mutate(&bases[number % bases.len()]);
        // A file of its own: a system may write the old content to the disk before it truncates.
        let file = directory.join(format!("{number}.yaml"));
        std::fs::write(&file, &text).unwrap();
        // The code that builds a provider resolves every setting, and starts nothing.
        let builder = with_variables(&variables).with_config_file(&file);
        let start = Instant::now();
        let explained = builder.explain();
        slowest = slowest.max(start.elapsed());
        std::fs::remove_file(&file).unwrap();
        let shown = match &explained {
            Ok(explanation) => explanation.to_string(),
            Err(error @ (BuildError::ConfigFile(_) | BuildError::Setting { .. })) => {
                errors += 1;
                format!("{error}\n{error:?}")
            }
            Err(other) => panic!("file {number}: {other}"),
        };
        let shown = format!("{builder:?}\n{shown}");
        let leak = HALVES.iter().any(|half| shown.contains(half));
        let text = String::from_utf8_lossy(&text);
        assert!(!leak, "file {number}: {shown}\n{text}");
        assert!(shown.len() < 64 << 10, "file {number}: {} bytes", shown.len());
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(slowest < PATIENCE, "{slowest:?}");
    assert!((FILES / 3..FILES).contains(&errors), "{errors} of {FILES} are errors");
}

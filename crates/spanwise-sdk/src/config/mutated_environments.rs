//! Mutations of the environment: each is an error or a report, soon, and shows no secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
use super::builder::SpanwiseBuilder;
use super::settings::{self, Setting, SettingType, settings};
use crate::metrics::MetricsExport;
use spanwise_testkit::SplitMix64;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENVIRONMENTS: usize = 10_000;
const SECRET: &str = "hunter2canary";
/// An unoptimized build on a loaded machine; an environment costs about a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// Credentials in the form that one kind of variable has, and that another one gets by mistake.
const SECRETS: &[&str] = &[
    "http://user:hunter2canary@localhost:4318",
    "https://user:hunter2canary@localhost:4318/v1/traces",
    "http://user:hunter2canary",
    "user:hunter2canary@localhost:4317",
    "http://localhost:4318/?key=hunter2canary",
    "endpoint=http://user:hunter2canary@localhost:5778/sampling,pollingIntervalMs=5000",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIhunter2canary\n-----END PRIVATE KEY-----\n",
];
/// Lists of headers, also malformed.
const HEADERS: &[&str] = &[
    "api-key=hunter2canary",
    "authorization=Bearer%20hunter2canary,tenant=1",
    "api-key:hunter2canary",
    "api-key=hunter2canary,broken",
    "=hunter2canary",
    "api key=hunter2canary",
    "api-key=hunter2canary%0",
    "api-key=hunter2canary\r\nx: y",
];
const HOSTILE: &[&str] = &[
    "",
    "   ",
    "\t\n",
    "0",
    "-1",
    "1",
    "16",
    "1e9",
    "0x10",
    "1.5",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999999999",
    "NaN",
    "inf",
    "-0.0",
    "1e-400",
    "TRUE",
    "False",
    "yes",
    "on",
    "none",
    "otlp,none",
    ",,,",
    "=",
    "a=b=c",
    "%",
    "%zz",
    "😀",
    "\u{202e}gnirts",
    "\u{feff}true",
    "\0",
    "http://",
    "http://[::1",
    "http://localhost:99999",
    "ftp://localhost",
    "unix:",
    "unix:relative",
    "unix:/",
    "localhost",
    "/",
    "/dev/zero",
    "/no/such/file",
    ".",
    "C:\\certs\\ca.pem",
    "gzip",
    "zstd",
    "http/protobuf",
    "grpc",
    "traceidratio",
    "parentbased_traceidratio",
    "jaeger_remote",
    "xray",
    "0.5",
    "tracecontext,baggage,b3",
];

struct Mutator {
    noise: SplitMix64,
}

impl Mutator {
    fn below(&mut self, limit: usize) -> usize {
        (self.noise.next_u64() % limit.max(1) as u64) as usize
    }

    fn one_of(&mut self, texts: &[&'static str]) -> OsString {
        texts[self.below(texts.len())].into()
    }

    /// Each variable is not set, has its default, or has another value.
    fn environment(&mut self) -> HashMap<&'static str, OsString> {
        let mut variables = HashMap::new();
        for setting in settings() {
            for name in setting.variables {
                // A file that cannot be read would be the only finding.
                let often = if setting.name() == settings::CONFIG_FILE.name() { 200 } else { 12 };
                match self.below(often) {
                    0 => drop(variables.insert(*name, self.value(setting))),
                    1 => drop(variables.insert(*name, setting.default.into())),
                    _ => {}
                }
            }
        }
        variables
    }

    fn value(&mut self, setting: &Setting) -> OsString {
        // Attributes are no secrets: each request has them, and the explanation shows them.
        let resource = [settings::RESOURCE_ATTRIBUTES, settings::SERVICE_NAME];
        let is_resource = resource.iter().any(|it| it.name() == setting.name());
        // A path is shown, because the user looks for its file.
        let is_path = matches!(setting.kind, SettingType::Path);
        match self.below(8) {
            0 | 1 if !is_resource => self.one_of(SECRETS),
            2 if !is_resource && !is_path => self.one_of(HEADERS),
            3 => self.long(),
            4 => self.not_utf8(),
            5 => self.digits(),
            _ => self.one_of(HOSTILE),
        }
    }

    fn long(&mut self) -> OsString {
        let text = ["x", "a=b,", "%41", "9", "http://h,"][self.below(5)];
        text.repeat(self.below(20_000)).into()
    }

    fn digits(&mut self) -> OsString {
        (self.noise.next_u64() >> self.below(64)).to_string().into()
    }

    #[cfg(unix)]
    fn not_utf8(&mut self) -> OsString {
        use std::os::unix::ffi::OsStringExt as _;
        let length = self.below(40);
        let bytes = (0..length).map(|_| (self.noise.next_u64() as u8).max(1)).collect();
        OsString::from_vec(bytes)
    }

    #[cfg(not(unix))]
    fn not_utf8(&mut self) -> OsString {
        self.one_of(HOSTILE)
    }
}

#[test]
fn no_mutation_of_the_environment_panics_is_slow_or_shows_a_secret() {
    let mut mutator = Mutator { noise: SplitMix64::new(17) };
    let (mut errors, mut reports, mut slowest) = (0, 0, Duration::ZERO);
    for number in 0..ENVIRONMENTS {
        let variables = Arc::new(mutator.environment());
        let mut builder = SpanwiseBuilder::new();
        let of_test = variables.clone();
        builder.lookup = Some(Arc::new(move |name| of_test.get(name).cloned()));
        if number % 4 == 0 {
            builder.metrics_export = Some(MetricsExport::new());
        }
        let start = Instant::now();
        // The code that builds a provider resolves every setting, and starts nothing.
        let explained = builder.explain();
        slowest = slowest.max(start.elapsed());
        let shown = match &explained {
            Ok(explanation) => {
                reports += explanation.reports().len();
                format!("{explanation}\n{explanation:?}\n{}", explanation.to_json())
            }
            Err(error) => {
                errors += 1;
                format!("{error}\n{error:?}")
            }
        };
        let shown = format!("{builder:?}\n{shown}");
        let leaks = shown.lines().filter(|line| line.contains(SECRET));
        let leaks: Vec<_> = leaks.collect();
        assert!(leaks.is_empty(), "environment {number}: {leaks:#?}\n{variables:?}");
        // The resource has at most 64 KiB, and is in the text several times.
        assert!(shown.len() < 1 << 20, "environment {number}: {} bytes", shown.len());
    }
    assert!(slowest < PATIENCE, "{slowest:?}");
    let half = ENVIRONMENTS / 2;
    assert!((ENVIRONMENTS / 10..half * 2).contains(&errors), "{errors} are errors");
    assert!(reports > half, "{reports} reports");
}

//! The command line of `cargo xtask profile`.

/// The kind of profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cpu,
    Heap,
    Allocs,
    Threads,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Heap => "heap",
            Self::Allocs => "allocs",
            Self::Threads => "threads",
        }
    }
}

/// The profiled program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Demo,
    /// A workload of `benches/workloads` or a bench of criterion.
    Bench(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub(super) kind: Kind,
    pub(super) target: Target,
    pub(super) seconds: f64,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let (kind, rest) = arguments.split_first().ok_or(KINDS)?;
        let kind = match kind.as_str() {
            "cpu" | "flame" => Kind::Cpu,
            "heap" => Kind::Heap,
            "allocs" => Kind::Allocs,
            "threads" => Kind::Threads,
            other => return Err(format!("{KINDS}, but not {other:?}")),
        };
        let mut options = Self { kind, target: Target::Demo, seconds: 5.0 };
        let mut rest = rest.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--demo" => options.target = Target::Demo,
                "--bench" => options.target = Target::Bench(value()?.clone()),
                "--seconds" => {
                    let text = value()?;
                    let seconds =
                        text.parse().ok().filter(|seconds| (0.5..=60.0).contains(seconds));
                    options.seconds = seconds
                        .ok_or_else(|| format!("--seconds {text}: 0.5 to 60 is accepted"))?;
                }
                _ => return Err(format!("knows --demo, --bench and --seconds, but not {name:?}")),
            }
        }
        Ok(options)
    }
}

const KINDS: &str = "the first argument is cpu, flame, heap, allocs, threads or check";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let flame = Options { kind: Kind::Cpu, target: Target::Demo, seconds: 5.0 };
        assert_eq!(parse("flame"), Ok(flame));
        let heap = Options { kind: Kind::Heap, target: Target::Bench("w1".into()), seconds: 2.0 };
        assert_eq!(parse("heap --bench w1 --seconds 2"), Ok(heap));
        for wrong in ["", "mem", "cpu --bench", "cpu --seconds 0", "cpu --fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

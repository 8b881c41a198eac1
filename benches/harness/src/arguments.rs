//! The command line of every rival.

use crate::workload::Workload;

/// The arguments of a process.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The workload to run.
    pub workload: Workload,
    /// The set-up of the binary that runs it.
    pub implementation: String,
    /// The kind of measurement.
    pub mode: Mode,
    /// The seconds of one sample.
    pub seconds: f64,
    /// Samples to take.
    pub samples: usize,
    /// Operations of `once`, and of an end-to-end sample.
    pub ops: u64,
    /// `http://address:port` of a receiver.
    pub endpoint: Option<String>,
}

/// The measurement of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Warm up, then take samples.
    Time,
    /// Count allocations of the warm subject.
    Alloc,
    /// One run, for its answer or for an instruction counter.
    Once,
    /// The same with a sampler that samples no span, for a workload with a ratio: the instructions of an
    /// operation that is not sampled.
    OnceDropped,
}

impl Arguments {
    /// Reads `--workload W --impl I --mode M [--seconds S] [--samples N] [--ops N] [--endpoint URL]`.
    ///
    /// # Errors
    /// A message for the user that names the argument.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut workload, mut implementation) = (None, None);
        let (mut mode, mut seconds, mut samples) = (Mode::Time, 0.06, 5);
        let (mut ops, mut endpoint) = (20_000, None);
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let bad = || format!("{name} {value}: not understood");
            match name.as_str() {
                "--workload" => workload = Some(Workload::named(&value)?),
                "--impl" => implementation = Some(value),
                "--mode" => {
                    mode = match value.as_str() {
                        "time" => Mode::Time,
                        "alloc" => Mode::Alloc,
                        "once" => Mode::Once,
                        "once-dropped" => Mode::OnceDropped,
                        _ => return Err(bad()),
                    }
                }
                "--seconds" => seconds = value.parse().map_err(|_| bad())?,
                "--samples" => samples = value.parse().map_err(|_| bad())?,
                "--ops" => ops = value.parse().map_err(|_| bad())?,
                "--endpoint" => endpoint = Some(value),
                _ => return Err(format!("no option {name}")),
            }
        }
        Ok(Self {
            workload: workload.ok_or("--workload is missing")?,
            implementation: implementation.ok_or("--impl is missing")?,
            mode,
            seconds,
            samples,
            ops,
            endpoint,
        })
    }
}

//! The sampler: whether it samples spans that start a trace.

use super::check::{CheckStatus, DoctorCheck};
use super::request::NAME;
use crate::config::description;
use crate::start::SdkSamplerContext;
use spanwise_sampling::{Sampler, SamplingParameters, Threshold};
use spanwise_worker::catch_panic;

/// The places that can set the sampler.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'k> {
    /// Code and variables.
    Variables,
    /// Code and this key of the configuration file.
    File(&'k str),
    /// The sampler decides only about the flag that other services follow.
    TailSampling,
}

impl<'k> By<'k> {
    /// `key`: that of the configuration file which sets the sampler, or can.
    pub(super) fn of(key: Option<&'k str>) -> Self {
        key.map_or(Self::Variables, Self::File)
    }

    /// The fix of a sampler that samples too little.
    fn more(self) -> String {
        let places = match self {
            Self::Variables | Self::TailSampling => {
                "with_sampler or OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG".to_owned()
            }
            Self::File(key) => format!("with_sampler or `{key}` of the configuration file"),
        };
        format!("raise the ratio, or choose another sampler, by {places}")
    }
}

/// Asks `sampler` for its intent about a root.
///
/// A sampler that counts traces per second may count one.
pub(super) fn check(sampler: &Sampler, by: By<'_>) -> DoctorCheck {
    let parameters = SamplingParameters::root(1, NAME, &SdkSamplerContext);
    let intent = catch_panic(|| {
        let intent = sampler.sampling_intent(&parameters);
        (intent.threshold, intent.adjusted_count_reliable)
    });
    let name = description(sampler);
    let check = |status, finding: String| DoctorCheck::both("sampling", status, finding);
    let Ok((threshold, is_reliable)) = intent else {
        return check(CheckStatus::Failed, format!("the sampler {name} panics"))
            .with_fix("fix the sampler: a root is not sampled when its sampler panics");
    };
    if let By::TailSampling = by {
        let finding = format!(
            "all spans are recorded for tail sampling, which decides; other services follow the sampler {name}"
        );
        return check(CheckStatus::Passed, finding);
    }
    match threshold {
        Some(Threshold::KEEP_ALL) => {
            check(CheckStatus::Passed, format!("the sampler {name} samples new traces"))
        }
        Some(threshold) => {
            let probability = threshold.probability();
            let finding = match is_reliable {
                true => {
                    format!("the sampler {name} samples one new trace of {}", one_of(&threshold))
                }
                false => format!("the sampler {name} samples some of the new traces"),
            };
            match probability < FEW {
                true => check(CheckStatus::Warning, finding).with_fix(by.more()),
                false => check(CheckStatus::Passed, finding),
            }
        }
        None if sampler.samples_no_root() => {
            let finding = format!("the sampler {name} samples no new trace");
            check(CheckStatus::Failed, finding).with_fix(by.more())
        }
        None => {
            let finding = format!(
                "the sampler {name} does not sample a new trace whose root is named `{NAME}`"
            );
            check(CheckStatus::Warning, finding)
        }
    }
}

/// The number of new traces of which one is sampled, without a digit that no reader needs.
fn one_of(threshold: &Threshold) -> String {
    let traces = format!("{:.1}", threshold.adjusted_count());
    traces.strip_suffix(".0").unwrap_or(&traces).to_owned()
}

/// Fewer than one trace of a hundred looks like none in a trial.
const FEW: f64 = 0.01;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_sampling::{ComposableSampler, RuleBased, SamplingIntent, SpanPredicate};

    /// A sampler of the user that samples nothing.
    #[derive(Debug)]
    struct OfUser(fn() -> String);

    impl ComposableSampler for OfUser {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            SamplingIntent::DROP
        }
        fn description(&self) -> String {
            self.0()
        }
    }

    fn of(sampler: impl Into<Sampler>) -> (CheckStatus, String) {
        let check = check(&sampler.into(), By::Variables);
        (check.status(), check.finding().to_owned())
    }

    #[test]
    fn a_sampler_that_samples_nothing_fails() {
        for off in [Sampler::always_off(), Sampler::always_off().parent_based()] {
            let (status, finding) = of(off);
            assert_eq!(status, CheckStatus::Failed, "{finding}");
            assert!(finding.ends_with("samples no new trace"), "{finding}");
        }
        let rule =
            RuleBased::new().with_rule(SpanPredicate::any().name("GET *"), Sampler::always_on());
        let (status, finding) = of(rule);
        assert_eq!(status, CheckStatus::Warning, "{finding}");
        assert!(
            finding.ends_with("does not sample a new trace whose root is named `spanwise doctor`"),
            "{finding}"
        );
    }

    #[test]
    fn beside_tail_sampling_no_sampler_samples_too_little() {
        let check = check(&Sampler::always_off(), By::TailSampling);
        assert_eq!(check.status(), CheckStatus::Passed);
        assert!(check.finding().contains("tail sampling"), "{}", check.finding());
    }

    #[test]
    fn the_name_of_a_sampler_neither_decides_nor_panics() {
        let (status, finding) = of(OfUser(|| "AlwaysOffOnSundays".to_owned()));
        assert_eq!(status, CheckStatus::Warning, "{finding}");
        let panics = OfUser(|| std::panic::resume_unwind(Box::new("of the user")));
        let (status, finding) = of(panics);
        assert_eq!(status, CheckStatus::Warning, "{finding}");
        assert!(finding.contains("a sampler whose description panics does not"), "{finding}");
    }

    #[test]
    fn a_small_ratio_is_a_warning() {
        let ratio = |ratio| of(Sampler::probability(ratio).unwrap().parent_based());
        assert_eq!(ratio(0.25).0, CheckStatus::Passed);
        assert!(ratio(0.25).1.ends_with("samples one new trace of 4"), "{:?}", ratio(0.25));
        assert_eq!(ratio(0.001).0, CheckStatus::Warning);
        assert_eq!(of(Sampler::default()).0, CheckStatus::Passed);
    }
}

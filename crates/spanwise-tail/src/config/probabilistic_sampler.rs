//! The block `probabilistic_sampler`.

use spanwise_config::{Document, Field, Problems, Read};

use super::fields::{flag, integer};
use super::processor::find;
use crate::probabilistic_sampler::{ProbabilisticSamplerConfig, SamplerMode};

impl ProbabilisticSamplerConfig {
    /// Reads the settings from a file of the Collector, with its processor `probabilistic_sampler`, from a file of `spanwise-node`, or from the block of the processor
    /// alone. A file with several processors of the type needs their name in `processor`: `Some("probabilistic_sampler/name")`.
    ///
    /// # Errors
    /// Every mistake of the block with its line, its path and, for an unknown key or value, the nearest known one.
    ///
    /// ```
    /// use spanwise_config::Document;
    /// use spanwise_tail::ProbabilisticSamplerConfig;
    ///
    /// let text = b"probabilistic_sampler: {sampling_percentage: 15.3, mode: equalising}";
    /// let document = Document::parse("collector.yaml", text, |_| None)?;
    /// let problems = ProbabilisticSamplerConfig::from_document(&document, None).map(drop).unwrap_err();
    /// assert_eq!(
    ///     problems.to_string(),
    ///     "collector.yaml:1:58: probabilistic_sampler.mode: `equalising` is not known; \
    ///      did you mean `equalizing`?; accepted is `hash_seed`, `proportional` or `equalizing`"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_document(
        document: &Document,
        processor: Option<&str>,
    ) -> Result<Read<Self>, Problems> {
        document.read(|root| {
            let block = find(&root, TYPE, processor);
            // Without a block, the error about it is the only one.
            block.map_or_else(Self::default, |block| read(&block))
        })
    }

    /// Reads the block of the processor, which a larger file has. The field reports mistakes; the result is of no use then.
    pub fn from_field(block: &Field<'_>) -> Self {
        read(block)
    }
}

fn read(block: &Field<'_>) -> ProbabilisticSamplerConfig {
    let mapping = block.mapping(KEYS);
    let defaults = ProbabilisticSamplerConfig::default();
    for key in LOGS_ONLY {
        let field = mapping.get(key);
        if field.exists() {
            field.warning("the setting has no effect: it is for logs");
        }
    }
    let source = mapping.get("attribute_source");
    if source.string().is_some_and(|text| !text.is_empty()) {
        let _without_effect: Option<()> = source.choice(&[("traceID", ()), ("record", ())]);
    }
    let number = |key: &str, default: u32| {
        let field = mapping.get(key);
        let number = if field.has_value() { integer(&field, 0..=u32::MAX.into()) } else { None };
        number.map_or(default, |number| number as u32)
    };
    let percentage = mapping.get("sampling_percentage");
    let percentage = if percentage.has_value() {
        percentage.number(f64::NEG_INFINITY..=f64::INFINITY)
    } else {
        None
    };
    let mode = mapping.get("mode");
    let mode = if mode.string() == Some("") { None } else { mode.choice(MODES) };
    let config = ProbabilisticSamplerConfig {
        sampling_percentage: percentage.unwrap_or_default() as f32,
        mode: mode.unwrap_or_default(),
        hash_seed: number("hash_seed", defaults.hash_seed),
        fail_closed: flag(&mapping, "fail_closed", defaults.fail_closed),
        sampling_precision: number("sampling_precision", defaults.sampling_precision),
    };
    if let Err(error) = config.check() {
        mapping.get(error.setting()).error(error.message());
    }
    config
}

/// The Collector's type of the processor.
const TYPE: &str = "probabilistic_sampler";

const MODES: &[(&str, SamplerMode)] = &[
    ("hash_seed", SamplerMode::HashSeed),
    ("proportional", SamplerMode::Proportional),
    ("equalizing", SamplerMode::Equalizing),
];

const KEYS: &[&str] = &[
    "sampling_percentage",
    "mode",
    "hash_seed",
    "fail_closed",
    "sampling_precision",
    "attribute_source",
    "from_attribute",
    "sampling_priority",
];
const LOGS_ONLY: &[&str] = &["attribute_source", "from_attribute", "sampling_priority"];

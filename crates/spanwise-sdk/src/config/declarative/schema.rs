//! The fields of the file's root.

use super::limits;
use super::log_level;
use super::processors::{self, Processor};
use super::propagators;
use super::redaction::{self, Redaction};
use super::resource::{self, Resource};
use super::samplers::{self, Choice};
use super::tracers;
use crate::diagnostics::LogLevel;
use crate::propagation::Propagator;
use crate::spool_settings::SpoolSettings;
use crate::start::TracerConfigurator;
use spanwise_config::Field;
use spanwise_wire::SpanLimits;

/// The settings of a file.
#[derive(Debug, Default)]
pub(super) struct Settings<'d> {
    pub(super) is_disabled: bool,
    pub(super) log_level: Option<LogLevel>,
    pub(super) resource: Resource,
    /// `None` without a tracer provider, which then does nothing.
    pub(super) tracer_provider: Option<TracerProvider<'d>>,
    pub(super) propagators: Option<Vec<Propagator>>,
    pub(super) redaction: Option<Redaction<'d>>,
    pub(super) spool: Option<SpoolSettings>,
}

/// The settings of `tracer_provider`.
#[derive(Debug)]
pub(super) struct TracerProvider<'d> {
    pub(super) processors: Vec<Processor<'d>>,
    pub(super) limits: SpanLimits,
    pub(super) sampler: Option<Choice>,
    pub(super) tracer_configurator: Option<TracerConfigurator>,
    /// Of the sampler and of the tracer configurator.
    pub(super) hashes: [u64; 2],
}

/// Reads the root of a file.
pub(super) fn read(root: Field<'_>) -> Settings<'_> {
    let root = root.mapping(KEYS);
    check_version(&root.get("file_format"));
    for (key, reason) in WITHOUT_EFFECT {
        let field = root.get(key);
        if field.exists() {
            field.warning(format!("it has no effect: {reason}"));
        }
    }
    let provider = root.get("tracer_provider");
    if !provider.exists() {
        provider.warning("there is no tracer_provider: no span is recorded");
    }
    let (redaction, spool) = redaction::of_distribution(&root.get("distribution"));
    let attribute_limits = limits::general(&root.get("attribute_limits"));
    Settings {
        is_disabled: root.get("disabled").boolean().unwrap_or(false),
        log_level: log_level::read(&root.get("log_level")),
        resource: resource::read(&root.get("resource")),
        tracer_provider: provider.exists().then(|| tracer_provider(&provider, attribute_limits)),
        propagators: propagators::read(&root.get("propagator")),
        redaction,
        spool,
    }
}

fn tracer_provider<'d>(field: &Field<'d>, limits: SpanLimits) -> TracerProvider<'d> {
    let provider = field.mapping(PROVIDER_KEYS);
    let sampler = provider.get("sampler");
    let configurators = CONFIGURATORS.map(|key| provider.get(key));
    let configurator = configurators.iter().find(|field| field.has_value());
    let hashes = [sampler.content_hash(), configurator.map_or(0, Field::content_hash)];
    let generator = provider.get("id_generator");
    if generator.has_value() {
        // Ids are always random.
        let _random = generator.kind(&["random"]);
    }
    TracerProvider {
        processors: processors::read(&provider.get("processors")),
        limits: limits::of_spans(&provider.get("limits"), limits),
        sampler: samplers::read(&sampler),
        tracer_configurator: configurators.iter().filter_map(tracers::read).next(),
        hashes,
    }
}

/// `file_format`: the same major version; a newer minor one may have fields that are not known here.
fn check_version(field: &Field<'_>) {
    let field = field.clone().required();
    let Some(text) = field.string() else { return };
    let (version, is_candidate) = match text.split_once('-') {
        Some((version, _)) => (version, true),
        None => (text, false),
    };
    let parsed = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match parsed {
        Some((1, minor)) if minor > MINOR => field.warning(format!(
            "the format is newer than 1.{MINOR}, which is known here: fields that it added are errors"
        )),
        Some((1, _)) if is_candidate => {
            field.warning(format!("the format is a candidate of a version; 1.{MINOR} is known here"));
        }
        Some((1, _)) => {}
        _ => field.error(format!("the format is not known; accepted is \"1.{MINOR}\"")),
    }
}

const MINOR: u32 = 1;
pub(super) const KEYS: &[&str] = &[
    "file_format",
    "disabled",
    "log_level",
    "attribute_limits",
    "resource",
    "propagator",
    "tracer_provider",
    "meter_provider",
    "logger_provider",
    "instrumentation/development",
    "distribution",
    "stability",
];
const PROVIDER_KEYS: &[&str] = &[
    "processors",
    "limits",
    "sampler",
    "id_generator",
    "tracer_configurator/development",
    "tracer_configurator",
];
/// The name in schema 1.1, and that of the next version.
const CONFIGURATORS: [&str; 2] = ["tracer_configurator/development", "tracer_configurator"];
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("meter_provider", "Spanwise exports traces alone"),
    ("logger_provider", "Spanwise exports traces alone"),
    ("instrumentation/development", "Spanwise has no instrumentation libraries"),
];

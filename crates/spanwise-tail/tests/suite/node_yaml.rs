//! The blocks of processors in a file of `spanwise-node`.

use spanwise_config::Document;
use spanwise_tail::{ProbabilisticSamplerConfig, SpanFilter, TailSamplingConfig};

#[test]
fn the_block_is_found_in_a_file_of_spanwise_node() {
    let node = "role: sampler\nlogs: {format: json}\ndestinations: [{name: d, debug: {}}]\n";
    let policies = "policies: [{name: all, type: always_sample}]";
    let (config, warnings) = load(&format!("{node}tail_sampling: {{{policies}}}")).unwrap();
    assert_eq!((config.policies.len(), warnings.len()), (1, 0));
    let error = load(node).unwrap_err();
    assert_eq!(error, "c.yaml:1:1: the file has no processor `tail_sampling`");
    // A file of another kind is a block alone: its unknown keys are named.
    let error = load("polices: []").unwrap_err();
    assert!(error.contains("polices: unknown key; did you mean `policies`?"), "{error}");
}

#[test]
fn a_filter_and_a_sampler_are_found_in_a_file_of_spanwise_node() {
    let text = "
receivers: []
logs: {format: json}
filter: {trace_conditions: ['span.name == \"ping\"']}
probabilistic_sampler: {sampling_percentage: 25}
";
    let document = Document::parse("node.yaml", text.as_bytes(), |_| None).unwrap();
    let filter = SpanFilter::from_document(&document, None).unwrap();
    assert!(filter.warnings.is_empty(), "{:?}", filter.warnings);
    let sampler = ProbabilisticSamplerConfig::from_document(&document, None).unwrap();
    assert_eq!(sampler.value.sampling_percentage, 25.0);
    let document = Document::parse("node.yaml", b"logs: {format: text}\nrole: both", |_| None);
    let error = SpanFilter::from_document(&document.unwrap(), None).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "node.yaml:1:1: the file has no processor `filter`");
}

fn load(text: &str) -> Result<(TailSamplingConfig, Vec<String>), String> {
    load_processor(text, None)
}

fn load_processor(
    text: &str,
    processor: Option<&str>,
) -> Result<(TailSamplingConfig, Vec<String>), String> {
    let document =
        Document::parse("c.yaml", text.as_bytes(), |_| None).map_err(|e| e.to_string())?;
    let read =
        TailSamplingConfig::from_document(&document, processor).map_err(|e| e.to_string())?;
    Ok((read.value, read.warnings.iter().map(ToString::to_string).collect()))
}

//! Configurations of the Collector, by the Collector.

use super::setup::{Setup, block, read};
use crate::interop::build;
use crate::peers::{Report, Tool};
use std::fs;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    for (file, key) in
        [("collector.yaml", None), ("kubernetes-collector.yaml", Some("collector.yaml"))]
    {
        let name = format!("collector/{file}");
        if !build::is_built(&setup.cache) {
            report.skip(&name, "no Collector: `cargo xtask interop` builds it");
            continue;
        }
        report.case(&name, || validate(setup, file, key));
    }
    Ok(())
}

fn validate(setup: &Setup, file: &str, key: Option<&str>) -> Result<String, String> {
    let text = read(file)?;
    let text = match key {
        Some(key) => block(&text, key)?,
        None => text,
    };
    // The Collector of interop reads no variables.
    let text = text.replace("${env:OTLP_AUTHORIZATION}", "Bearer example");
    let path = setup.scratch.path().join(format!("of-{file}"));
    fs::write(&path, text).map_err(|error| error.to_string())?;
    let program = build::collector(&setup.cache)?;
    let config = format!("--config=file:{}", path.display());
    let tool = Tool::new(program, &["validate", &config], Duration::from_secs(60));
    tool.run(&path.with_extension("log"))?;
    Ok(format!("by the Collector {}", build::VERSION))
}

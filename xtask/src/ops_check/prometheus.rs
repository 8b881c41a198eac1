//! Prometheus and promtool: where they are, and a server that scrapes one target.

use super::http::{encoded, get};
use crate::peers::{Cache, Running, Scratch, Tool, free_ports, wait_until};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The folder of both programs: that of this system, or of Debian's package, which is unpacked into the
/// cache without an installation.
///
/// # Errors
/// Neither is there.
pub(super) fn programs(cache: &Cache) -> Result<PathBuf, String> {
    let folders = ["/usr/bin", "/usr/local/bin", "/opt/prometheus"].map(PathBuf::from);
    let has_both = |folder: &PathBuf| {
        ["prometheus", "promtool"].iter().all(|program| folder.join(program).exists())
    };
    if let Some(folder) = folders.into_iter().find(has_both) {
        return Ok(folder);
    }
    let folder = cache.filled("prometheus-of-the-system", |folder| {
        let download = Tool::new("apt-get", &["download", "prometheus"], LIMIT);
        download.dir(folder).run(&folder.join("download.log"))?;
        let unpack = Tool::new("sh", &["-c", "dpkg-deb -x prometheus_*.deb ."], LIMIT);
        unpack.dir(folder).run(&folder.join("unpack.log")).map(drop)
    })?;
    Ok(folder.join("usr/bin"))
}

/// The first line of `prometheus --version`, shortened.
pub(super) fn version(programs: &Path) -> String {
    let program = programs.join("prometheus");
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let version = text.split_whitespace().nth(2).unwrap_or("of an unknown version");
    format!("Prometheus {version}")
}

/// Runs promtool and returns the last line of its output.
///
/// # Errors
/// It fails; with the end of its output.
pub(super) fn promtool(
    programs: &Path,
    arguments: &[&str],
    scratch: &Scratch,
) -> Result<String, String> {
    let tool = Tool::new(programs.join("promtool"), arguments, LIMIT);
    let output = tool.run(&scratch.path().join("promtool.log"))?;
    let last = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(last.unwrap_or_default().to_owned())
}

/// A server of Prometheus on loopback.
pub(super) struct Prometheus {
    running: Running,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts the server with these rules, which scrapes `target` each second.
    ///
    /// # Errors
    /// It ends, or does not open its port in time; with the end of its log.
    pub(super) fn start(
        programs: &Path,
        scratch: &Scratch,
        target: SocketAddr,
        rules: &str,
    ) -> Result<Self, String> {
        let folder = scratch.path();
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(folder.join("rules.yml"), rules).map_err(failed)?;
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: spanwise, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(folder.join("prometheus.yml"), config).map_err(failed)?;
        let [port] = free_ports()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(programs.join("prometheus"));
        command.current_dir(folder).args(["--log.level=warn", "--config.file=prometheus.yml"]);
        command.args(["--storage.tsdb.path=data", &format!("--web.listen-address={address}")]);
        let mut running = Running::start("Prometheus", command)?;
        running.wait_for_ports(&[port], START)?;
        // The port opens before the storage does.
        if !wait_until(START, || get(address, "/-/ready", ANSWER).is_ok()) {
            return Err(format!("Prometheus is not ready\n{}", running.last_lines()));
        }
        Ok(Self { running, address })
    }

    /// The values of an expression that are numbers.
    ///
    /// # Errors
    /// Prometheus does not answer, or rejects the expression.
    pub(super) fn query(&self, expression: &str) -> Result<Vec<f64>, String> {
        let answer = self.api(&format!("query?query={}", encoded(expression)))?;
        let samples = answer["result"].as_array().cloned().unwrap_or_default();
        let value = |sample: &Value| sample["value"][1].as_str()?.parse::<f64>().ok();
        Ok(samples.iter().filter_map(value).filter(|value| !value.is_nan()).collect())
    }

    /// The values of a label in these series.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(super) fn label_values(&self, label: &str, series: &str) -> Result<Vec<String>, String> {
        let answer = self.api(&format!("label/{label}/values?match[]={}", encoded(series)))?;
        let values = answer.as_array().cloned().unwrap_or_default();
        Ok(values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
    }

    /// The names of the alerts that fire.
    ///
    /// # Errors
    /// Prometheus does not answer, or an annotation could not be made.
    pub(super) fn firing(&self) -> Result<Vec<String>, String> {
        let answer = self.api("alerts")?;
        let alerts = answer["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let names = firing.map(|alert| {
            let annotations = alert["annotations"].to_string();
            if annotations.contains("<error") {
                return Err(annotations);
            }
            Ok(alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned())
        });
        names.collect()
    }

    fn api(&self, request: &str) -> Result<Value, String> {
        let body = get(self.address, &format!("/api/v1/{request}"), ANSWER)?;
        let mut answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        Ok(answer["data"].take())
    }

    /// Ends it.
    ///
    /// # Errors
    /// It had ended before, or had to be killed.
    pub(super) fn stop(self) -> Result<(), String> {
        self.running.stop()
    }
}

const LIMIT: Duration = Duration::from_secs(300);
/// The time for Prometheus to open its port.
const START: Duration = Duration::from_secs(60);
/// The time for an answer.
const ANSWER: Duration = Duration::from_secs(20);

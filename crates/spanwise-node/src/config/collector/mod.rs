//! A file of the Collector, made of the components that a node has.

mod auth;
mod client;
mod component;
mod exporters;
mod extensions;
mod load_balancing;
mod pipeline;
mod processors;
mod queue;
mod receiver;
mod tls;

use self::component::Component;
use self::exporters::Exported;
use self::extensions::Extensions;
use self::pipeline::Pipeline;
use super::context::Context;
use crate::settings::{AdminSettings, LogFormat, NodeSettings, ReceiverSettings, Role};
use spanwise_config::Field;
use std::time::Duration;

/// Whether a file is one of the Collector.
pub(super) fn is_collector(root: &Field<'_>) -> bool {
    let is_mapping = !root.is_sequence() && root.source().is_none();
    is_mapping && root.entries().iter().any(|(key, _)| ["service", "exporters"].contains(key))
}

/// Reads the file. The value of a file with mistakes, which have been reported, is of no use.
pub(super) fn read(root: &Field<'_>, context: &Context<'_>) -> NodeSettings {
    let mapping = root.mapping(KEYS);
    let service = mapping.get("service").required();
    let has_service = service.has_value();
    let service = service.mapping(&["extensions", "pipelines", "telemetry"]);
    let telemetry = service.get("telemetry");
    if telemetry.has_value() {
        telemetry.warning("it has no effect: the node logs to its standard error, and has `/metrics` at the endpoint of `health_check`");
    }
    let connectors = mapping.get("connectors");
    if connectors.has_value() {
        connectors.error("they are not supported: the node has one pipeline");
    }
    let extensions =
        Extensions::read(&mapping.get("extensions"), &service.get("extensions"), context);
    let pipeline = if has_service {
        Pipeline::find(&service.get("pipelines"), &mapping)
    } else {
        Pipeline::default()
    };
    let receivers = receivers(&mapping.get("receivers"), &pipeline.receivers, &extensions, context);
    let processed = processors::read(&pipeline.processors);
    let exported = exporters::read(&pipeline.exporters, &processed, &extensions, context);
    let Exported { gateway, destinations } = exported;
    let role = if gateway.is_some() { Role::Gateway } else { Role::Sampler };
    check_role(root, role, context);
    NodeSettings {
        role,
        memory: processed.memory.unwrap_or_default(),
        receivers,
        processors: processed.processors,
        tail_sampling: processed.tail_sampling,
        gateway,
        destinations,
        admin: extensions.admin.map(AdminSettings::new),
        state_directory: None,
        shutdown_timeout: Duration::from_secs(10),
        reload_interval: None,
        logs: LogFormat::default(),
    }
}

fn receivers(
    section: &Field<'_>,
    components: &[Component<'_>],
    extensions: &Extensions<'_>,
    context: &Context<'_>,
) -> Vec<ReceiverSettings> {
    let mut receivers: Vec<ReceiverSettings> = Vec::new();
    for component in components {
        match component.kind {
            "otlp" => receivers.extend(receiver::read(&component.field, extensions, context)),
            kind => component.reference.error(format!(
                "receivers of the type `{kind}` are not supported; accepted is `otlp`"
            )),
        }
    }
    super::node_file::check_addresses(section, &receivers);
    receivers
}

/// The components of the pipeline determine the role.
fn check_role(root: &Field<'_>, role: Role, context: &Context<'_>) {
    let Some(wanted) = context.options.role.filter(|wanted| *wanted != role) else { return };
    match (wanted, role) {
        // Without peers, both are the same.
        (Role::Both, Role::Sampler) => {}
        (Role::Both, _) => root.error("`--role both`: a file of the Collector is a gateway or a sampler; a spanwise-node file has both"),
        (Role::Gateway, _) => root.error("`--role gateway`: the pipeline has no exporter `load_balancing`, which names the peers"),
        (Role::Sampler, _) => root.error("`--role sampler`: the exporter `load_balancing` makes the node a gateway"),
    }
}

const KEYS: &[&str] =
    &["receivers", "processors", "exporters", "connectors", "extensions", "service"];

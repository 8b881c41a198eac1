//! The allow-list: imports that may be part of a circle.

/// One arrow between two files of a crate that import each other.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub from: &'static str,
    pub to: &'static str,
    pub kind: Kind,
}

/// The two kinds that are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "a kind may be without an entry")]
pub enum Kind {
    /// The type names its builder, which builds the type. The arrow leads from the type to the
    /// builder.
    Builder,
    /// The composite, mostly an enum, holds its parts, and a part may hold the composite. The arrow
    /// leads from the composite to a part.
    Parts,
}

/// Paths are from the workspace's root. An entry that is part of no circle is an error.
pub const ALLOWED: &[Allowed] = &[
    Allowed {
        from: "crates/spanwise-redact/src/redactor.rs",
        to: "crates/spanwise-redact/src/builder.rs",
        kind: Kind::Builder,
    },
    Allowed {
        from: "crates/spanwise-sampling/src/adaptive/mod.rs",
        to: "crates/spanwise-sampling/src/adaptive/builder.rs",
        kind: Kind::Builder,
    },
    Allowed {
        from: "crates/spanwise-sampling/src/sampler.rs",
        to: "crates/spanwise-sampling/src/parent.rs",
        kind: Kind::Parts,
    },
    Allowed {
        from: "crates/spanwise-spool/src/spool.rs",
        to: "crates/spanwise-spool/src/builder.rs",
        kind: Kind::Builder,
    },
    Allowed {
        from: "crates/spanwise-tail/src/threads/tail_sampler_threads.rs",
        to: "crates/spanwise-tail/src/threads/builder.rs",
        kind: Kind::Builder,
    },
    Allowed {
        from: "crates/spanwise-transport/src/file_sink/mod.rs",
        to: "crates/spanwise-transport/src/file_sink/builder.rs",
        kind: Kind::Builder,
    },
];

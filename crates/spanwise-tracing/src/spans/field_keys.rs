//! [`FieldKeys`]: the names of the fields of each callsite, as keys that are encoded once.

use crate::fields::special::is_special;
use spanwise_batch::Charge;
use spanwise_sdk::__private::AttributeKey;
use std::ptr;
use std::sync::OnceLock;
use tracing_core::Metadata;
use tracing_core::span::Attributes;

/// The keys of the fields of callsites, in a table of fixed size. The fields of a callsite that finds no place are written by their
/// names.
pub(super) struct FieldKeys(Box<[OnceLock<Box<OfCallsite>>]>);

struct OfCallsite {
    /// The address of the metadata, whose callsite lives as long as the process.
    address: usize,
    /// By the index of the field.
    keys: Box<[Option<AttributeKey>]>,
    /// Of the byte budget of the provider.
    _charge: Charge,
}

impl FieldKeys {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| OnceLock::new()).collect())
    }

    /// The keys of the fields of a new span, by index. Special fields and those with long names have none.
    ///
    /// # Cost
    /// A multiplication and some loads.
    #[inline(always)]
    pub(super) fn of(
        &self,
        attributes: &Attributes<'_>,
        charge: impl Fn(usize) -> Option<Charge>,
    ) -> &[Option<AttributeKey>] {
        let metadata = attributes.metadata();
        let address = ptr::from_ref(metadata).addr();
        let known = match self.0.get(place(address, 0)).and_then(OnceLock::get) {
            Some(known) if known.address == address => Some(&**known),
            _ => self.of_behind(metadata, &charge),
        };
        match known {
            // A program can pass values of another callsite.
            Some(known) if attributes.values().callsite() == metadata.callsite() => &known.keys,
            _ => &[],
        }
    }

    /// As [`of`](Self::of), for a callsite that is new, or not in its first place.
    #[inline(never)]
    fn of_behind(
        &self,
        metadata: &'static Metadata<'static>,
        charge: &dyn Fn(usize) -> Option<Charge>,
    ) -> Option<&OfCallsite> {
        let address = ptr::from_ref(metadata).addr();
        for probe in 0..PROBES {
            let cell = self.0.get(place(address, probe))?;
            if cell.get().is_none() {
                let new = Box::new(OfCallsite::new(metadata, charge)?);
                // Not `get_or_init`: a fork meanwhile would leave the cell locked in the child.
                let _ = cell.set(new);
            }
            if let Some(known) = cell.get()
                && known.address == address
            {
                return Some(known);
            }
        }
        None
    }
}

impl OfCallsite {
    fn new(
        metadata: &'static Metadata<'static>,
        charge: &dyn Fn(usize) -> Option<Charge>,
    ) -> Option<Self> {
        let fields = metadata.fields();
        let bytes = size_of::<Self>() + fields.len() * size_of::<Option<AttributeKey>>();
        let charge = charge(bytes)?;
        let key = |name: &str| AttributeKey::new(name).filter(|_| !is_special(name));
        let keys = fields.iter().map(|field| key(field.name())).collect();
        Some(Self { address: ptr::from_ref(metadata).addr(), keys, _charge: charge })
    }
}

#[inline(always)]
fn place(address: usize, probe: usize) -> usize {
    let hash = (address as u64 >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash >> (u64::BITS - PLACES.ilog2())) as usize).wrapping_add(probe) % PLACES
}

/// The callsites that a layer has keys of: 16 KiB, and 35 bytes for each field.
const PLACES: usize = 1024;
/// The places that a callsite can have.
const PROBES: usize = 4;

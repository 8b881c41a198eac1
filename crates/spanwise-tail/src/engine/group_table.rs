//! Resources and instrumentation scopes, stored once for all spans that have them.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Pairs of resource and scope, counted by the spans that refer to them.
pub(crate) struct GroupTable {
    parts: Vec<Part>,
    vacant_parts: Vec<u32>,
    part_index: HashTable<u32>,
    groups: Vec<Group>,
    vacant_groups: Vec<u32>,
    group_index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: usize,
}

/// A message, and the `schema_url` beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PartFields<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) schema_url: &'a str,
}

struct Part {
    message: Box<[u8]>,
    schema_url: Box<str>,
    groups: u32,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    resource: u32,
    scope: u32,
    spans: u32,
}

impl GroupTable {
    pub(crate) fn new() -> Self {
        Self {
            parts: Vec::new(),
            vacant_parts: Vec::new(),
            part_index: HashTable::new(),
            groups: Vec::new(),
            vacant_groups: Vec::new(),
            group_index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            bytes: 0,
        }
    }

    /// Bytes of memory held, tables included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most bytes that [`acquire`](Self::acquire) adds for these fields.
    pub(crate) fn cost(resource: PartFields<'_>, scope: PartFields<'_>) -> usize {
        part_bytes(resource) + part_bytes(scope) + GROUP_OVERHEAD
    }

    /// The index of a pair, which counts one span more.
    pub(crate) fn acquire(&mut self, resource: PartFields<'_>, scope: PartFields<'_>) -> u32 {
        let (resource, scope) = (self.part(resource), self.part(scope));
        let hash = self.hasher.hash_one((resource, scope));
        let groups = &self.groups;
        let is_same = |index: &u32| {
            groups
                .get(*index as usize)
                .is_some_and(|group| (group.resource, group.scope) == (resource, scope))
        };
        if let Some(index) = self.group_index.find(hash, is_same) {
            let index = *index;
            self.retain(index);
            return index;
        }
        self.bytes += GROUP_OVERHEAD;
        for part in [resource, scope] {
            if let Some(part) = self.parts.get_mut(part as usize) {
                part.groups += 1;
            }
        }
        let index =
            place(&mut self.groups, &mut self.vacant_groups, Group { resource, scope, spans: 1 });
        let (groups, hasher) = (&self.groups, &self.hasher);
        self.group_index.insert_unique(hash, index, |index| {
            let group = groups.get(*index as usize);
            hasher.hash_one(group.map(|group| (group.resource, group.scope)).unwrap_or_default())
        });
        index
    }

    /// Counts one span more for the group.
    pub(crate) fn retain(&mut self, index: u32) {
        if let Some(group) = self.groups.get_mut(index as usize) {
            group.spans += 1;
        }
    }

    /// Counts `released` spans less, and frees a group without spans.
    #[inline]
    pub(crate) fn release(&mut self, index: u32, released: u32) {
        let Some(group) = self.groups.get_mut(index as usize) else { return };
        group.spans -= released;
        if group.spans == 0 {
            self.remove(index);
        }
    }

    #[inline(never)]
    fn remove(&mut self, index: u32) {
        let (resource, scope) = self.order(index);
        let hash = self.hasher.hash_one((resource, scope));
        if let Ok(entry) = self.group_index.find_entry(hash, |found| *found == index) {
            entry.remove();
        }
        self.vacant_groups.push(index);
        self.bytes -= GROUP_OVERHEAD;
        self.release_part(resource);
        self.release_part(scope);
    }

    /// The indexes of the resource and of the scope: the order of groups in a request.
    pub(crate) fn order(&self, index: u32) -> (u32, u32) {
        self.groups.get(index as usize).map_or((0, 0), |group| (group.resource, group.scope))
    }

    /// The messages of the resource and of the scope.
    #[inline]
    pub(crate) fn messages(&self, index: u32) -> (&[u8], &[u8]) {
        let Some(group) = self.groups.get(index as usize) else { return (&[], &[]) };
        let message = |part: u32| {
            self.parts.get(part as usize).map(|part| &*part.message).unwrap_or_default()
        };
        (message(group.resource), message(group.scope))
    }

    pub(crate) fn resource(&self, index: u32) -> PartFields<'_> {
        self.fields(self.order(index).0)
    }

    pub(crate) fn scope(&self, index: u32) -> PartFields<'_> {
        self.fields(self.order(index).1)
    }

    fn fields(&self, part: u32) -> PartFields<'_> {
        self.parts.get(part as usize).map_or(PartFields { message: &[], schema_url: "" }, |part| {
            PartFields { message: &part.message, schema_url: &part.schema_url }
        })
    }

    /// The index of a part, which a group has to count.
    fn part(&mut self, fields: PartFields<'_>) -> u32 {
        let hash = self.hasher.hash_one(fields);
        let parts = &self.parts;
        let found = self.part_index.find(hash, |index| {
            let part = parts.get(*index as usize);
            part.is_some_and(|part| {
                *part.message == *fields.message && *part.schema_url == *fields.schema_url
            })
        });
        if let Some(index) = found {
            return *index;
        }
        let part = Part {
            message: fields.message.into(),
            schema_url: fields.schema_url.into(),
            groups: 0,
        };
        self.bytes += part_bytes(fields);
        let index = place(&mut self.parts, &mut self.vacant_parts, part);
        let (parts, hasher) = (&self.parts, &self.hasher);
        self.part_index.insert_unique(hash, index, |index| {
            let part = parts.get(*index as usize);
            hasher.hash_one(part.map_or(PartFields { message: &[], schema_url: "" }, |part| {
                PartFields { message: &part.message, schema_url: &part.schema_url }
            }))
        });
        index
    }

    fn release_part(&mut self, index: u32) {
        let Some(part) = self.parts.get_mut(index as usize) else { return };
        part.groups -= 1;
        if part.groups > 0 {
            return;
        }
        let freed = std::mem::replace(
            part,
            Part { message: Box::default(), schema_url: Box::default(), groups: 0 },
        );
        let fields = PartFields { message: &freed.message, schema_url: &freed.schema_url };
        self.bytes -= part_bytes(fields);
        let hash = self.hasher.hash_one(fields);
        if let Ok(entry) = self.part_index.find_entry(hash, |found| *found == index) {
            entry.remove();
        }
        self.vacant_parts.push(index);
    }
}

fn place<T>(all: &mut Vec<T>, vacant: &mut Vec<u32>, value: T) -> u32 {
    match vacant.pop() {
        Some(index) => {
            if let Some(place) = all.get_mut(index as usize) {
                *place = value;
            }
            index
        }
        None => {
            all.push(value);
            (all.len() - 1) as u32
        }
    }
}

fn part_bytes(fields: PartFields<'_>) -> usize {
    let len = fields.message.len() + fields.schema_url.len();
    // A request of one span copies a large part beyond its usual size.
    let copies = if len > MAX_USUAL { 1 } else { 0 };
    len * (1 + copies) + PART_OVERHEAD
}

/// A larger resource or scope may exceed a request.
const MAX_USUAL: usize = 16 << 10;

/// An entry in a list that grows by doubling, in its hash table and in the list of vacant indexes.
const PART_OVERHEAD: usize = 2 * size_of::<Part>() + 32;
const GROUP_OVERHEAD: usize = 2 * size_of::<Group>() + 32;

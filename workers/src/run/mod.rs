//! What all workers share: the lease and the supervised loop, where to begin, grouping, dead letters, counters.

pub(crate) mod backoff;
pub(crate) mod cache;
pub(crate) mod dead;
pub(crate) mod resume;
pub(crate) mod rows;
pub(crate) mod stats;
pub(crate) mod supervise;

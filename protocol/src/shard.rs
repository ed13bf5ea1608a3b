//! `shard = xxh3_64(16 bytes of the id) % 256`, fixed for ever: it is part of every subject in the log.

use xxhash_rust::xxh3::xxh3_64;

/// How many shards there are. Never changes.
pub const SHARDS: u16 = 256;

/// The shard of a chat or user, from the 16 bytes of its id.
pub fn shard_of(id: &[u8; 16]) -> u8 {
    // The remainder is below 256.
    (xxh3_64(id) % u64::from(SHARDS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        let of = |n: u128| shard_of(&n.to_be_bytes());
        assert_eq!([of(0), of(1), of(2), of(u128::MAX)], [104, 187, 159, 19]);
    }
}

//! State of chats kept in memory within a bound: two generations. What was not asked for during a whole generation is
//! dropped, all of it at once, which costs nothing per use.
//!
//! Entries are only dropped in [`Generations::turn`], which the owner calls where nothing unwritten hangs on them.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded map from a key to its state; each state has a weight, as of when it was put in.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    /// Asked for in this generation.
    young: HashMap<K, (V, usize)>,
    /// Only asked for in the one before.
    old: HashMap<K, (V, usize)>,
    /// The weight of what is young: the owner begins a new generation when it is half of what it may keep.
    young_weight: usize,
}

impl<K: Copy + Eq + Hash, V> Generations<K, V> {
    pub(crate) fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_weight: 0 }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some((value, weight)) = self.old.remove(key) {
            self.young_weight += weight;
            self.young.insert(*key, (value, weight));
        }
        self.young.get_mut(key).map(|(value, _)| value)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        self.old.remove(&key);
        let replaced = self.young.insert(key, (value, weight));
        self.young_weight += weight;
        self.young_weight -= replaced.map_or(0, |(_, weight)| weight);
    }

    /// Begins a new generation. Of the old one only what `keep` holds on to stays.
    pub(crate) fn turn(&mut self, mut keep: impl FnMut(&K) -> bool) {
        let old = std::mem::take(&mut self.old);
        let kept: HashMap<K, (V, usize)> = old.into_iter().filter(|(key, _)| keep(key)).collect();
        self.young_weight = kept.values().map(|(_, weight)| weight).sum();
        self.old = std::mem::replace(&mut self.young, kept);
    }

    pub(crate) fn young_weight(&self) -> usize {
        self.young_weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes_after_a_whole_generation() {
        let mut map = Generations::new();
        map.insert(1, "a", 1);
        map.insert(2, "b", 1);
        map.insert(3, "c", 5);
        assert_eq!(map.young_weight(), 7);
        map.turn(|_| false);
        assert_eq!(map.young_weight(), 0);
        assert!(map.contains(&1) && map.contains(&2) && map.contains(&3));
        assert_eq!(map.get_mut(&1), Some(&mut "a"));
        assert_eq!(map.young_weight(), 1);
        map.turn(|key| *key == 3);
        assert_eq!(map.young_weight(), 5);
        assert!(map.contains(&1) && map.contains(&3) && !map.contains(&2));
        assert_eq!(map.get_mut(&2), None);
    }

    #[test]
    fn an_insert_replaces_what_an_older_generation_holds() {
        let mut map = Generations::new();
        map.insert(1, "old", 3);
        map.turn(|_| false);
        map.insert(1, "new", 2);
        map.insert(1, "newest", 4);
        assert_eq!(map.young_weight(), 4);
        assert_eq!(map.get_mut(&1), Some(&mut "newest"));
    }
}

//! What waits for what: cycles, a valid order, and what comes before a thing for certain.

use std::collections::{BTreeMap, BTreeSet};

/// Things by their position, each with the positions it waits for.
#[derive(Debug, Default)]
pub(super) struct Graph {
    waits_for: Vec<Vec<usize>>,
}

impl Graph {
    /// Makes a graph of things that wait for others, by position.
    pub(super) fn new(waits_for: Vec<Vec<usize>>) -> Self {
        Self { waits_for }
    }

    /// Returns what `index` waits for itself.
    pub(super) fn direct(&self, index: usize) -> &[usize] {
        self.waits_for.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds the edges of `other`, which is of the same things.
    pub(super) fn joined(mut self, other: &Self) -> Self {
        for (edges, more) in self.waits_for.iter_mut().zip(&other.waits_for) {
            edges.extend(more);
        }
        self
    }

    /// Returns an order in which everything comes after what it waits for; as near to the given order as possible.
    /// Things in a cycle, and what waits for them, are left out.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        while let Some(next) = (0..self.waits_for.len())
            .find(|index| !done.contains(index) && self.waits_for[*index].iter().all(|before| done.contains(before)))
        {
            done.insert(next);
            order.push(next);
        }
        order
    }

    /// Returns the order, with what it leaves out at its end.
    pub(super) fn complete_order(&self) -> Vec<usize> {
        let mut order = self.order();
        let left = (0..self.waits_for.len()).filter(|index| !order.contains(index));
        let left: Vec<usize> = left.collect();
        order.extend(left);
        order
    }

    /// Returns one cycle for every group of things that wait for each other.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let ordered: BTreeSet<usize> = self.order().into_iter().collect();
        let mut left: BTreeSet<usize> = (0..self.waits_for.len())
            .filter(|index| !ordered.contains(index))
            .collect();
        let mut cycles = Vec::new();
        while let Some(start) = left.pop_first() {
            let mut path = vec![start];
            let mut current = start;
            while let Some(next) = self.next_unordered(current, &ordered) {
                if let Some(position) = path.iter().position(|seen| *seen == next) {
                    cycles.push(path.split_off(position));
                    break;
                }
                if !left.remove(&next) {
                    break;
                }
                path.push(next);
                current = next;
            }
        }
        cycles
    }

    /// Of what is left unordered, everything waits for another unordered thing.
    fn next_unordered(&self, index: usize, ordered: &BTreeSet<usize>) -> Option<usize> {
        self.waits_for[index]
            .iter()
            .copied()
            .find(|before| !ordered.contains(before))
    }

    /// Returns everything that comes before `index` for certain.
    pub(super) fn ancestors(&self, index: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = self.waits_for.get(index).cloned().unwrap_or_default();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(self.waits_for.get(next).into_iter().flatten());
            }
        }
        found
    }
}

/// Maps each of `names` to the position where it is first.
pub(super) fn positions<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut positions = BTreeMap::new();
    for (index, name) in names.into_iter().enumerate() {
        positions.entry(name).or_insert(index);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cycle_is_found_whole_and_once() {
        let graph = Graph::new(vec![vec![], vec![3], vec![1], vec![2], vec![3]]);
        let cycles = graph.cycles();
        assert_eq!(cycles.len(), 1, "{cycles:?}");
        assert_eq!(cycles[0].iter().collect::<BTreeSet<_>>(), BTreeSet::from([&1, &2, &3]));
    }

    #[test]
    fn the_order_stays_as_given_where_it_can() {
        let graph = Graph::new(vec![vec![2], vec![], vec![]]);
        assert_eq!(graph.order(), [1, 2, 0]);
    }

    proptest! {
        #[test]
        fn every_graph_has_an_order_or_a_cycle(edges in prop::collection::vec(prop::collection::vec(0_usize..8, 0..3), 8)) {
            let graph = Graph::new(edges.clone());
            let order = graph.order();
            let cycles = graph.cycles();
            prop_assert_eq!(order.len() == edges.len(), cycles.is_empty());
            for (position, index) in order.iter().enumerate() {
                for before in &edges[*index] {
                    prop_assert!(order[..position].contains(before));
                }
            }
            for cycle in cycles {
                for (position, index) in cycle.iter().enumerate() {
                    prop_assert!(edges[*index].contains(&cycle[(position + 1) % cycle.len()]));
                }
            }
        }
    }
}

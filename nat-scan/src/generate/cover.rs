//! Covering arrays: few rows in which every two classes of different factors stand together at least once.
//!
//! Most defects that need more than one input need two (Kuhn, Wallace, Gallo 2004). The rows are made one at a time, as
//! AETG does: begin with what is not covered yet, then give each further factor the class that covers most.

use std::collections::BTreeSet;

/// A class of a factor.
pub(super) type Cell = (usize, usize);

/// What is to be covered.
pub(super) struct Demand<'a> {
    /// Number of classes of each factor. Class 0 is the plain one.
    pub(super) sizes: &'a [usize],
    /// Factors whose triples are covered too, ascending.
    pub(super) triples: &'a [usize],
    /// Rows at most.
    pub(super) limit: usize,
}

/// Rows of one class a factor that cover all pairs, and the triples that are asked for, except those that hold a
/// forbidden pair; or as many as `limit` rows can. Equal arguments give equal rows.
pub(super) fn rows(demand: &Demand<'_>, forbidden: &dyn Fn(Cell, Cell) -> bool) -> Vec<Vec<usize>> {
    let mut open = Open::new(demand, forbidden);
    let mut rows = Vec::new();
    while rows.len() < demand.limit {
        let Some(first) = open.first() else { break };
        let row = row(demand.sizes, &first, &open);
        open.close(&row);
        rows.push(row);
    }
    rows
}

fn row(sizes: &[usize], first: &[Cell], open: &Open) -> Vec<usize> {
    let mut fixed: Vec<Option<usize>> = vec![None; sizes.len()];
    for (factor, class) in first {
        fixed[*factor] = Some(*class);
    }
    for factor in 0..sizes.len() {
        if fixed[factor].is_some() {
            continue;
        }
        let allowed = (0..sizes[factor]).filter(|class| open.admits((factor, *class), &fixed));
        // The plainest of those that cover most.
        let best = allowed.max_by_key(|class| (open.gain((factor, *class), &fixed), usize::MAX - class));
        fixed[factor] = Some(best.unwrap_or(0));
    }
    fixed.into_iter().map(|class| class.unwrap_or(0)).collect()
}

/// What is not covered yet.
struct Open {
    /// Number of the first cell of each factor.
    offsets: Vec<usize>,
    cells: usize,
    /// By the numbers of two cells, the lower first.
    pairs: Vec<bool>,
    forbidden: Vec<bool>,
    triples: BTreeSet<[Cell; 3]>,
}

impl Open {
    fn new(demand: &Demand<'_>, forbidden: &dyn Fn(Cell, Cell) -> bool) -> Self {
        let mut cells = 0;
        let offsets = demand
            .sizes
            .iter()
            .map(|size| {
                cells += size;
                cells - size
            })
            .collect();
        let (pairs, never) = (vec![false; cells * cells], vec![false; cells * cells]);
        let mut open = Self { offsets, cells, pairs, forbidden: never, triples: BTreeSet::new() };
        for pair in pairs_of(demand.sizes) {
            let at = open.at(pair[0], pair[1]);
            open.forbidden[at] = forbidden(pair[0], pair[1]);
            open.pairs[at] = !open.forbidden[at];
        }
        for (at, a) in demand.triples.iter().enumerate() {
            for (further, b) in demand.triples.iter().enumerate().skip(at + 1) {
                for c in demand.triples.iter().skip(further + 1) {
                    open.add_triples([*a, *b, *c], demand.sizes);
                }
            }
        }
        open
    }

    fn add_triples(&mut self, [a, b, c]: [usize; 3], sizes: &[usize]) {
        for x in 0..sizes[a] {
            for y in 0..sizes[b] {
                for z in 0..sizes[c] {
                    let [one, two, three] = [(a, x), (b, y), (c, z)];
                    if ![(one, two), (one, three), (two, three)].iter().any(|(p, q)| self.forbidden[self.at(*p, *q)]) {
                        self.triples.insert([one, two, three]);
                    }
                }
            }
        }
    }

    fn at(&self, a: Cell, b: Cell) -> usize {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        (self.offsets[a.0] + a.1) * self.cells + self.offsets[b.0] + b.1
    }

    fn cell(&self, number: usize) -> Cell {
        let factor = self.offsets.partition_point(|offset| *offset <= number) - 1;
        (factor, number - self.offsets[factor])
    }

    /// The first combination that is open: triples bring pairs along.
    fn first(&self) -> Option<Vec<Cell>> {
        if let Some(triple) = self.triples.first() {
            return Some(triple.to_vec());
        }
        let at = self.pairs.iter().position(|open| *open)?;
        Some(vec![self.cell(at / self.cells), self.cell(at % self.cells)])
    }

    fn admits(&self, cell: Cell, fixed: &[Option<usize>]) -> bool {
        !chosen(fixed).any(|other| self.forbidden[self.at(cell, other)])
    }

    /// Open combinations that the cell completes.
    fn gain(&self, cell: Cell, fixed: &[Option<usize>]) -> usize {
        let pairs = chosen(fixed).filter(|other| self.pairs[self.at(cell, *other)]).count();
        if self.triples.is_empty() {
            return pairs;
        }
        let others: Vec<Cell> = chosen(fixed).collect();
        let complete = |pair: [Cell; 2]| self.triples.contains(&sorted([cell, pair[0], pair[1]]));
        pairs + two_of(&others).filter(|pair| complete(*pair)).count()
    }

    fn close(&mut self, row: &[usize]) {
        let cells: Vec<Cell> = row.iter().copied().enumerate().collect();
        for [a, b] in two_of(&cells) {
            let at = self.at(a, b);
            self.pairs[at] = false;
        }
        self.triples.retain(|triple| triple.iter().any(|(factor, class)| row[*factor] != *class));
    }
}

fn chosen(fixed: &[Option<usize>]) -> impl Iterator<Item = Cell> + '_ {
    fixed.iter().enumerate().filter_map(|(factor, class)| Some((factor, (*class)?)))
}

fn sorted(mut triple: [Cell; 3]) -> [Cell; 3] {
    triple.sort_unstable();
    triple
}

fn two_of(cells: &[Cell]) -> impl Iterator<Item = [Cell; 2]> + '_ {
    cells.iter().enumerate().flat_map(|(at, a)| cells[at + 1..].iter().map(|b| [*a, *b]))
}

/// Every two classes of different factors, the lower factor first.
pub(super) fn pairs_of(sizes: &[usize]) -> Vec<[Cell; 2]> {
    let cells: Vec<Cell> =
        sizes.iter().enumerate().flat_map(|(factor, size)| (0..*size).map(move |class| (factor, class))).collect();
    two_of(&cells).filter(|[a, b]| a.0 != b.0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_pair_stands_in_a_row_unless_it_is_forbidden_or_there_are_too_many(
            sizes in prop::collection::vec(1..6_usize, 2..10),
            salt in 0..7_usize,
            limit in 1..80_usize,
        ) {
            // Pairs of plain classes are never forbidden: a plain row always exists.
            let forbidden = |a: Cell, b: Cell| {
                a.1 > 0 && b.1 > 0 && (a.0 * 5 + a.1 * 3 + b.0 * 7 + b.1 + salt).is_multiple_of(7)
            };
            let triples: Vec<usize> = (0..sizes.len().min(4)).collect();
            let demand = Demand { sizes: &sizes, triples: &triples, limit };
            let made = rows(&demand, &forbidden);
            prop_assert!(made.len() <= limit);
            prop_assert_eq!(&made, &rows(&demand, &forbidden));
            for row in &made {
                prop_assert!(row.iter().zip(&sizes).all(|(class, size)| class < size));
            }
            if made.len() < limit {
                for [a, b] in pairs_of(&sizes) {
                    let stands = made.iter().any(|row| row[a.0] == a.1 && row[b.0] == b.1);
                    prop_assert!(stands || forbidden(a, b), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn rows_are_far_fewer_than_combinations() {
        let check = |sizes: &[usize], triples: &[usize], most: usize| {
            let made = rows(&Demand { sizes, triples, limit: 500 }, &|_, _| false);
            assert!(made.len() <= most, "{sizes:?}: {}", made.len());
        };
        check(&[2; 10], &[], 12);
        check(&[3; 12], &[], 25);
        check(&[5; 20], &[], 85);
        check(&[2; 6], &[0, 1, 2, 3, 4, 5], 20);
    }
}

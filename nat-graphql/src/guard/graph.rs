//! How fragments hang together: what a document becomes once each spread is replaced by its fragment.

use std::collections::HashMap;

use super::{Limits, Refusal};

/// An operation or a fragment, by its place in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(usize);

/// What a definition holds: at first itself, in the end with everything that it spreads.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    selections: usize,
    root_fields: usize,
    /// Of its own brackets.
    nesting: usize,
    /// Of the deepest fragment that it spreads, with what that one spreads.
    below: usize,
    is_operation: bool,
}

/// A spread: `into` takes up what the fragment of that name holds.
struct Spread<'a> {
    into: usize,
    name: &'a str,
    at_root: bool,
}

/// Definitions and the spreads between them. There are at most as many as the tokens allow.
#[derive(Default)]
pub(super) struct Graph<'a> {
    sizes: Vec<Size>,
    fragments: Vec<(&'a str, usize)>,
    spreads: Vec<Spread<'a>>,
}

impl<'a> Graph<'a> {
    pub(super) fn add_operation(&mut self) -> Node {
        self.sizes.push(Size { is_operation: true, ..Size::default() });
        Node(self.sizes.len() - 1)
    }

    pub(super) fn add_fragment(&mut self, name: &'a str) -> Node {
        self.fragments.push((name, self.sizes.len()));
        self.sizes.push(Size::default());
        Node(self.sizes.len() - 1)
    }

    pub(super) fn add_spread(&mut self, node: Option<Node>, name: &'a str, at_root: bool) {
        self.spreads.extend(node.map(|Node(into)| Spread { into, name, at_root }));
    }

    pub(super) fn note_selection(&mut self, node: Option<Node>) {
        self.note(node, |size| size.selections += 1);
    }

    pub(super) fn note_root_field(&mut self, node: Option<Node>) {
        self.note(node, |size| size.root_fields += 1);
    }

    pub(super) fn note_nesting(&mut self, node: Option<Node>, nesting: usize) {
        self.note(node, |size| size.nesting = size.nesting.max(nesting));
    }

    fn note(&mut self, node: Option<Node>, change: impl FnOnce(&mut Size)) {
        if let Some(size) = node.and_then(|Node(index)| self.sizes.get_mut(index)) {
            change(size);
        }
    }

    /// Adds up each definition after all that it spreads, and judges the sums; a cycle leaves definitions over.
    pub(super) fn check(mut self, limits: &Limits) -> Result<(), Refusal> {
        let by_name: HashMap<&str, usize> = self.fragments.iter().copied().collect();
        if by_name.len() < self.fragments.len() {
            return Err(Refusal::FragmentName);
        }
        let mut waits_for = vec![0usize; self.sizes.len()];
        let mut users: Vec<Vec<(usize, bool)>> = vec![Vec::new(); self.sizes.len()];
        for Spread { into, name, at_root } in &self.spreads {
            // A fragment that does not exist is for the validation to report.
            let Some(used) = by_name.get(name).and_then(|of| users.get_mut(*of)) else { continue };
            used.push((*into, *at_root));
            waits_for.get_mut(*into).into_iter().for_each(|count| *count += 1);
        }
        let mut ready: Vec<usize> =
            waits_for.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
        let mut done = 0;
        while let Some(index) = ready.pop() {
            done += 1;
            let Some(size) = self.sizes.get(index).copied() else { continue };
            judge(size, limits)?;
            for (into, at_root) in users.get_mut(index).map(std::mem::take).unwrap_or_default() {
                let (Some(user), Some(count)) = (self.sizes.get_mut(into), waits_for.get_mut(into)) else { continue };
                user.selections = user.selections.saturating_add(size.selections);
                if at_root {
                    user.root_fields = user.root_fields.saturating_add(size.root_fields);
                }
                // It may stand at the deepest place.
                user.below = user.below.max(size.nesting.saturating_add(size.below));
                *count -= 1;
                if *count == 0 {
                    ready.push(into);
                }
            }
        }
        if done == self.sizes.len() { Ok(()) } else { Err(Refusal::FragmentCycle) }
    }
}

fn judge(size: Size, limits: &Limits) -> Result<(), Refusal> {
    if size.selections > limits.selections {
        Err(Refusal::TooManySelections)
    } else if size.nesting.saturating_add(size.below) > limits.depth {
        Err(Refusal::NestsTooDeep)
    } else if size.is_operation && size.root_fields > limits.root_fields {
        Err(Refusal::TooManyRootFields)
    } else {
        Ok(())
    }
}

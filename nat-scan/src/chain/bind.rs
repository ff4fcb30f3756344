//! Values of the target, put in when a request is written.

use serde_json::Value;

use crate::generate::{BodyValue, Case};

/// A place in a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The value of the parameter at this index of the operation.
    Argument(usize),
    /// A JSON pointer into the body.
    Body(String),
}

/// A value that an answer gave, for a place where one was made up.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Where.
    pub spot: Spot,
    /// What stands there in the case; a case that bends this very place has something else there and keeps it.
    pub made_up: Value,
    /// What is sent.
    pub value: Value,
    /// Where the value came from, without the value: `POST /flows happy_path:0 /id`.
    pub source: String,
}

/// [`Binding::source`] of a text that must differ from request to request.
pub(crate) const FRESH: &str = "fresh";

impl Case {
    /// Whether some text in it must differ from request to request.
    pub(crate) fn is_fresh(&self) -> bool {
        self.bindings.iter().any(|binding| binding.source == FRESH)
    }

    /// The case with its texts as they were made up: for operations that want a text that they know.
    #[must_use]
    pub(crate) fn settled(&self) -> Case {
        let mut case = self.clone();
        case.bindings.retain(|binding| binding.source != FRESH);
        case
    }

    /// The case for one more request: texts that must be unique get `word`.
    #[must_use]
    pub(crate) fn renewed(&self, word: &str) -> Case {
        let mut case = self.clone();
        for binding in case.bindings.iter_mut().filter(|binding| binding.source == FRESH) {
            if let Some(text) = binding.made_up.as_str() {
                binding.value = Value::from(super::guide::with_word(text, word));
            }
        }
        case
    }

    /// The bindings of another case of the operation, for the places of this one.
    #[must_use]
    pub fn rebound(mut self, like: &Case) -> Case {
        let at = |spot: &Spot| match (spot, &self.body) {
            (Spot::Argument(parameter), _) => {
                self.arguments.iter().find(|argument| argument.parameter == *parameter).map(|argument| &argument.value)
            }
            (Spot::Body(pointer), Some(BodyValue::Typed { value, .. })) => value.pointer(pointer),
            (Spot::Body(_), _) => None,
        };
        let own = |binding: &Binding| Some(Binding { made_up: at(&binding.spot)?.clone(), ..binding.clone() });
        self.bindings = like.bindings.iter().filter_map(own).collect();
        self
    }

    /// The case with the target's values in place.
    #[must_use]
    pub fn bound(&self) -> Case {
        let mut case = self.clone();
        for binding in &self.bindings {
            let place = match (&binding.spot, &mut case.body) {
                (Spot::Argument(parameter), _) => case
                    .arguments
                    .iter_mut()
                    .find(|argument| argument.parameter == *parameter)
                    .map(|argument| &mut argument.value),
                (Spot::Body(pointer), Some(BodyValue::Typed { value, .. })) => value.pointer_mut(pointer),
                (Spot::Body(_), _) => None,
            };
            if let Some(place) = place.filter(|value| **value == binding.made_up) {
                place.clone_from(&binding.value);
            }
        }
        case
    }
}

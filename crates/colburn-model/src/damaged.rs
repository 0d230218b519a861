//! Files of a model that are not what they should be: whoever made them, they are input.

mod tests;

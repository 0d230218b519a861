//! Inputs of a kernel of which some may be missing: a linear layer without a bias, a layer without a norm.

/// The places, among all inputs that a kernel may have, of those that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present<const ALL: usize>([bool; ALL]);

impl<const ALL: usize> Present<ALL> {
    /// The places of these inputs.
    pub fn of<T>(all: &[Option<T>; ALL]) -> Self {
        Self(all.each_ref().map(Option::is_some))
    }

    /// All inputs, from those that are there.
    pub fn spread<T, const N: usize>(self, inputs: [T; N]) -> [Option<T>; ALL] {
        let mut inputs = inputs.into_iter();
        self.0.map(|present| if present { inputs.next() } else { None })
    }

    /// The gradients by the inputs that are there, if they are wanted, from those by all.
    pub fn only<T, const N: usize>(self, wanted: [bool; N], all: [Option<T>; ALL]) -> [Option<T>; N] {
        let mut of_present = all.into_iter().zip(self.0).filter(|(_, present)| *present).map(|(gradient, _)| gradient);
        wanted.map(|wanted| of_present.next().flatten().filter(|_| wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_gradients_keep_their_places() {
        let present = Present::of(&[Some('x'), None, Some('w'), Some('b'), None]);
        assert_eq!(present.spread([1, 2, 3]), [Some(1), None, Some(2), Some(3), None]);
        let all = [Some(10), Some(20), Some(30), None, Some(50)];
        assert_eq!(present.only([true, true, true], all), [Some(10), Some(30), None]);
        assert_eq!(present.only([false, true, false], all), [None, Some(30), None]);
    }
}

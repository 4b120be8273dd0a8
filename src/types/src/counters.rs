//! Plain counters, one per variant of a closed enum, owned by whoever counts. Nothing is shared, so nothing is atomic;
//! whoever scrapes asks the owner for a copy.

/// A closed set of countable things. Implemented by [`counted!`](crate::counted).
pub trait Counted: Copy + 'static {
    /// Every variant, in index order.
    const ALL: &'static [Self];

    /// Position in [`Counted::ALL`].
    fn index(self) -> usize;

    /// The label value in metrics: snake case, stable.
    fn label(self) -> &'static str;
}

/// One number per variant of `T`. Adding is an index and an add.
#[derive(Debug, Clone)]
pub struct Counters<T: Counted> {
    values: Box<[u64]>,
    kind: core::marker::PhantomData<T>,
}

impl<T: Counted> Default for Counters<T> {
    fn default() -> Self {
        Self { values: vec![0; T::ALL.len()].into_boxed_slice(), kind: core::marker::PhantomData }
    }
}

impl<T: Counted> Counters<T> {
    /// Count one.
    #[inline]
    pub fn add(&mut self, what: T) {
        self.add_many(what, 1);
    }

    /// Count `many`.
    #[inline]
    pub fn add_many(&mut self, what: T, many: u64) {
        if let Some(value) = self.values.get_mut(what.index()) {
            *value = value.wrapping_add(many);
        }
    }

    /// The count of one variant.
    pub fn get(&self, what: T) -> u64 {
        self.values.get(what.index()).copied().unwrap_or(0)
    }

    /// Every variant with its count.
    pub fn iter(&self) -> impl Iterator<Item = (T, u64)> + '_ {
        T::ALL.iter().map(|&what| (what, self.get(what)))
    }

    /// Add another owner's counts to these.
    pub fn merge(&mut self, other: &Self) {
        for (what, many) in other.iter() {
            self.add_many(what, many);
        }
    }
}

/// Declares a closed enum whose variants index [`Counters`]. Each variant states its metric label.
#[macro_export]
macro_rules! counted {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $crate::counters::Counted for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            #[inline]
            fn index(self) -> usize {
                self as usize
            }

            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    counted! {
        enum Fruit { Apple = "apple", Pear = "pear", }
    }

    #[test]
    fn counts_are_kept_apart_and_merge() {
        let mut a = Counters::default();
        a.add(Fruit::Apple);
        let mut b = Counters::default();
        b.add_many(Fruit::Pear, 3);
        a.merge(&b);
        assert_eq!(
            a.iter().map(|(f, n)| (f.label(), n)).collect::<Vec<_>>(),
            [("apple", 1), ("pear", 3)]
        );
    }
}

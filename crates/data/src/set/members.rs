//! Members: a walk through a set.

use super::member::Member;
use crate::listpack;
use crate::node::Node as _;
use crate::value::StrRef;
use crate::walk::Walk;

/// The members of a set.
#[derive(Debug)]
pub struct Members<'a>(pub(super) Source<'a>);

#[derive(Debug)]
pub(super) enum Source<'a> {
    Ints(super::intset::Iter<'a>),
    List(listpack::Iter<'a>),
    Table(Walk<'a, Member>),
}

impl<'a> Iterator for Members<'a> {
    type Item = StrRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        match &mut self.0 {
            Source::Table(walk) => walk.next().map(|found| StrRef::Bytes(found.node.key())),
            Source::Ints(ints) => ints.next().map(StrRef::Int),
            Source::List(list) => list.next(),
        }
    }
}

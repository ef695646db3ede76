"""How the shipped toy weights are trained and measured."""

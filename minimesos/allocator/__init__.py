"""Who is offered what: hierarchical dominant resource fairness, behind one interface. Pure."""

"""The master: decides who gets which resources, and relays between frameworks and agents."""

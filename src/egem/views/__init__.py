"""Views with linear experts: representations, their experts, and the losses pooled."""

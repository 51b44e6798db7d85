"""Events, the doorbell and control messages over Google Cloud Pub/Sub. Nothing here is the
truth: whatever is lost on the way can be read from the store."""

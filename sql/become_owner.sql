-- Create what follows as the owner of our objects: no administrator shall own functions that run with their owner's rights.
SET LOCAL ROLE resumer_owner

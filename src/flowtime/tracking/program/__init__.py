"""Any program, wrapped: started, listened to, sampled, and passed through."""
